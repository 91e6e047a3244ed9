"""Slack: only whose token it is; it says no with 200."""

import httpx

from tests.builders.looks import Look

LOOK = Look(
    "slack_bot",
    {"/api/auth.test": {"ok": True, "team_id": "T0MADEUP", "user_id": "U0MADEUP"}},
    refused=httpx.Response(200, json={"ok": False, "error": "invalid_auth"}),
)
