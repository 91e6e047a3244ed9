"""Klaviyo: only that the key is good."""

from tests.builders.looks import Look

LOOK = Look("klaviyo", {"/api/profiles": {"data": [], "links": {"next": None}}})
