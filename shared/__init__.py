"""What at least two services need, and no business rule: events, bus, database, manners."""
