"""Jira Service Management: the form of the request type."""

from typing import Final

from tests.builders.looks import Look, Wrong, drop

_JIRA: Final = "/rest/servicedeskapi/servicedesk/10/requesttype/25/field"

LOOK = Look(
    "jira_service_management",
    {
        _JIRA: {
            "canRaiseOnBehalfOf": True,
            "requestTypeFields": [
                {"fieldId": "summary", "required": True},
                {"fieldId": "description", "required": False},
            ],
        }
    },
    (
        Wrong(
            "not on the form",
            drop(_JIRA, "requestTypeFields", "description", "fieldId"),
            (("field_missing", "description, which our requests write, is not there"),),
        ),
    ),
)
