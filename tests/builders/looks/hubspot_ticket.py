"""HubSpot's tickets: the properties that our requests write."""

from typing import Final

from tests.builders.looks import Look, Wrong, drop

_HUBSPOT_TICKETS: Final = "/crm/properties/2026-09/tickets"

LOOK = Look(
    "hubspot_ticket",
    {
        _HUBSPOT_TICKETS: {
            "results": [
                {"name": name}
                for name in (
                    *("nps_delivery_id", "subject", "content"),
                    *("hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority"),
                )
            ]
        }
    },
    (
        Wrong(
            "no property for the delivery id",
            drop(_HUBSPOT_TICKETS, "results", "nps_delivery_id", "name"),
            (("field_missing", "nps_delivery_id, which our requests write, is not there"),),
        ),
    ),
)
