"""Freshdesk: only that the key is good."""

from tests.builders.looks import Look

LOOK = Look("freshdesk", {"/api/v2/agents/me": {"id": 1, "available": True}})
