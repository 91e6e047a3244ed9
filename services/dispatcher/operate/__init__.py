"""What a person may change of deliveries: settle, redrive, release, cancel."""
