"""Processes killed at the worst moment: nothing is lost, nothing takes effect twice."""
