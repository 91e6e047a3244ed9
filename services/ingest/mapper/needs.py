"""What a source must say so that its messages can become events, and what it lacks.

In: an entry's keys as written. Out: pairs of the key at fault and the thing to do. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from services.ingest.mapper.reads import Becomes, Kind, Reads

Location = tuple[str | int, ...]
Fault = tuple[Location, str]

#: What an event cannot do without, beside a way to recognise the customer.
NEEDS: Final[Mapping[Becomes, tuple[str, ...]]] = {
    "response": ("survey", "response_id", "answers"),
    "thin": ("survey", "response_id"),
    "invitation": ("survey",),
    "shown": ("survey",),
    "decline": ("survey",),
    "opt_out": ("survey",),
    "case_opened": ("case",),
    "case_resolved": ("case",),
    "case_reopened": ("case",),
    "message_sent": ("channel",),
    "message_delivered": ("channel",),
    "message_bounced": ("channel",),
    "message_opened": ("channel",),
    "message_unsubscribed": ("channel",),
    "action_completed": ("what",),
    "customer_update": (),
}
_MISSING: Final = {
    "answers": "missing: say where the score is",
    "channel": "missing: say where the channel is, or which: {constant: email}",
    "survey": "missing: say where the survey is, or which: {constant: a-name}",
}
#: These find whom they are about by the response or the case that they name.
_ABOUT_NOBODY: Final = frozenset({"response", "thin", "case_resolved", "case_reopened"})


class MappingErrors(Exception):
    """What a source lacks: pairs of the key at fault and the thing to do."""

    def __init__(self, problems: Sequence[Fault]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = tuple(problems)


def unreached(kinds: Sequence[Kind]) -> Iterator[Fault]:
    """Refuse a kind behind one without conditions: the first that fits is taken."""
    for place, kind in enumerate(kinds[:-1]):
        if not kind.when:
            fix = "missing: without it no kind below is ever reached (or put this kind last)"
            yield ("kinds", place, "when"), fix


def lacking(at: Location, reads: Reads) -> Iterator[Fault]:
    """Tell what is missing for the event that this becomes."""
    if reads.becomes not in ("response", "thin") and not (reads.answered_at or reads.event_id):
        fix = "missing: without it or an `event_id` two like messages would be taken for one"
        yield (*at, "answered_at"), fix
    for key in NEEDS[reads.becomes]:
        wanted = getattr(reads, key)
        if not wanted or (isinstance(wanted, dict) and not any(wanted.values())):
            fix = _MISSING.get(key, f"missing: say where the {key} is, or choose a preset")
            yield (*at, key), fix
    named = any(spec is not None for spec in reads.identifiers.values())
    ours = reads.becomes.startswith(("message_", "action_")) and reads.delivery_id is not None
    if not named and not ours and reads.becomes not in _ABOUT_NOBODY:
        yield (*at, "identifiers"), "missing: say where e-mail or customer id is"
