"""What would have been sent beside what the present tool sent."""
