"""A sample that is no answer: the step of a case, or an address that a mail came back from. Pure.

In: what was seen, and what of it was chosen. Out: the lines of the entry that say so, or None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.ingest.mapper.reads import Becomes
from services.ingest.mapper.values import word
from services.ingest.tryout.guesses import Candidate
from services.ingest.tryout.seen import Seen

_CASE: Final = frozenset({"ticket", "case", "issue"})
_NUMBER: Final = frozenset({"id", "number", "key", "no", "ref", "reference"})
_STATES: Final[Mapping[Becomes, frozenset[str]]] = {
    "case_resolved": frozenset({"solved", "resolved", "closed", "done"}),
    "case_reopened": frozenset({"reopened"}),
    "case_opened": frozenset({"new", "open", "opened", "created"}),
}
_BOUNCE: Final = frozenset({"bounce", "bounced", "smtp"})
_BOUNCED: Final = frozenset({"bounce", "bounced", "hard_bounce", "hard bounce", "hardbounce"})


@dataclass(frozen=True, slots=True)
class OtherKind:
    """What the message seems to become, where it says so, and the line that it needs."""

    becomes: Becomes
    path: str
    needs: tuple[str, str]


def other_kind(seen: Sequence[Seen], chosen: Mapping[str, Candidate]) -> OtherKind | None:
    """Tell what a message without a score is, if it names its time and its customer."""
    if "score" in chosen or not {"answered_at", "email"} <= set(chosen):
        return None
    for one in seen:
        if one.words & _BOUNCE or word(one.value) in _BOUNCED:
            return OtherKind("message_bounced", one.path, ("channel", "{constant: email}"))
    number = next((one for one in seen if one.words & _CASE and one.last in _NUMBER), None)
    if number is None:
        return None
    # The newer of two states stands last: {state: {old: …, new: …}}.
    for one in reversed(seen):
        if one.words & {"state", "status", "step", "event"}:
            for becomes, states in _STATES.items():
                if word(one.value) in states:
                    return OtherKind(becomes, one.path, ("case", number.path))
    return None
