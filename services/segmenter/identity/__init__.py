"""Who an event is about, and customers who turn out to be one."""
