"""The verb of the service: which deliveries a decision leads to, and why a play does not act."""
