"""What is kept and for how long: the way onto the bus, the spool, bodies, the quarantine."""
