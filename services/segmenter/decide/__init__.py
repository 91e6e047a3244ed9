"""The verb of the service: one customer, one event, one governed decision."""
