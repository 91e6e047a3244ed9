"""What `targets.yaml` says: targets read, checked, tried and looked at before use."""
