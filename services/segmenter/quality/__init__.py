"""What is wrong with the customer base."""
