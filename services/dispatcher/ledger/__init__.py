"""What is to be sent and what became of it: rows of deliveries, pushes, deletions, recipients."""
