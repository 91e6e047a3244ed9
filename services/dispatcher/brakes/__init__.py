"""Whether a target may be called now: pauses, breaker, rates, drains."""
