"""Which trace and event a measured value is an example of, for metrics. Pure.

In: ids. Out: labels of an exemplar (OpenMetrics 1.0), with which a dashboard leads from a slow
moment to its trace, and to the lines of the log that name the event.
"""

from uuid import UUID

from shared.traces.places import trace_of


def exemplar(cause: UUID, event_id: UUID) -> dict[str, str]:
    """Name the trace and the event: 84 characters of the 128 that an exemplar may have."""
    return {"trace_id": f"{trace_of(cause):032x}", "event_id": str(event_id)}
