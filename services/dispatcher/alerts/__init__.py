"""Alerts to colleagues: corrected, gathered in digests."""
