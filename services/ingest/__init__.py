"""Ingest translates: a survey platform's signed webhook becomes one event, or a clear no."""
