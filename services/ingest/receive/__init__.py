"""From the wire to what is durable: one request of a tool, its limits, its way through."""
