"""Thin messages: the queue, the calls to a platform within its limits, and reconciling."""
