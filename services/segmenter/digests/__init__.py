"""Weekly digests: what a week brought to each owner of customers, told once."""
