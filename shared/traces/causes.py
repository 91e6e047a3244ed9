"""What an event is about, as the id of a cause: what is told of one cause is one trace. Pure."""

from uuid import UUID

from shared.events import ids
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from shared.events.feedback import CaseStep, ResponseReceived
from shared.events.outcomes import DeliverySettled


def cause_of(event: Event) -> UUID:
    """Name the cause of an event, as far as the event alone tells it."""
    data = event.data
    if isinstance(data, ResponseReceived):
        return ids.response_cause(data.source, data.survey, data.response_id)
    if isinstance(data, CustomerDecided):
        return data.cause.id
    if isinstance(data, DeliverySettled):
        return data.cause_id
    if isinstance(data, CaseStep):
        return ids.case_cause(data.case_id)
    return ids.event_cause(event.id)
