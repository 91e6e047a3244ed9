"""The HTTP API, a file per kind of thing."""
