"""What platforms show of a customer's consent while something else is done there."""
