"""Who she is: facts, and the profile that they add up to."""
