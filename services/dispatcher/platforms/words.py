"""An action in words, for a colleague in a chat or a helpdesk, in English or French. Pure.

In: the action, what of the customer this target may say, how it likes to read. Out: one line as
title, some as text. The title holds our own words and the operator's only: some platforms read it
as markup, in which a customer's own words could call everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.dispatcher.calls.calls import ActionCall
from services.dispatcher.hours.hours import zone_of
from services.dispatcher.platforms.wordings import WORDINGS, Language, Wording
from shared.events.vocabulary import Value

#: An alert is read on a phone: who needs more of a comment opens her page.
LONGEST_COMMENT: Final = 500
#: Said in sentences of their own.
_TOLD: Final = frozenset(
    {
        *("nps_score", "nps_segment", "nps_previous_segment", "nps_move", "nps_theme"),
        *("nps_comment", "called_by", "first_name", "last_name", "title"),
        *("escalations", "case_id", "case_due_at", "room", "corrects", "other_answer"),
    }
)
#: What the newest answer said of its score; an alert about another answer would put it on that one.
_ITS_OWN: Final = frozenset({"nps_theme", "nps_comment"})


@dataclass(frozen=True, slots=True)
class Voice:
    """How one target's readers like it: language and clock, where her page and the figures are."""

    language: Language = "en"
    zone: str = "UTC"
    link_base: str | None = None
    figures_link: str | None = None

    @property
    def wording(self) -> Wording:
        """The phrases of their language."""
        return WORDINGS[self.language]

    def clock(self, at: datetime) -> str:
        """Write a moment by their clock."""
        local = at.astimezone(zone_of(self.zone))
        month = self.wording.months[local.month - 1]
        return self.wording.moment.format(day=local.day, month=month, clock=f"{local:%H:%M}")

    def link(self, customer_id: object) -> str | None:
        """Return the address of her page, which names her by our own id and nothing else."""
        return None if self.link_base is None else f"{self.link_base}{customer_id}"


def title(call: ActionCall, said: Mapping[str, Value], voice: Voice) -> str:
    """Say in one line what happened: "Internal alert: detractor, 3/10, price".

    `said` is what of her attributes this target may say, under canonical names.
    """
    wording = voice.wording
    other = "other_answer" in call.context  # of which neither the score nor the reason is known
    said = {} if other else said
    what = [wording.of(said.get("nps_segment")), _score(said)]
    what += [wording.of(topic) for topic in _topics(call)]
    theme = said.get("nps_theme") or (None if call.variant == "default" else call.variant)
    what.append(wording.of(theme))
    named = wording.of(call.action)
    if call.corrects is not None:
        named = f"{wording.labels['corrected']}{wording.colon}{named}"
    named = named[:1].upper() + named[1:]
    told = ", ".join(part for part in what if part)
    return f"{named}{wording.colon}{told}" if told else named


def text(call: ActionCall, said: Mapping[str, Value], voice: Voice) -> str:
    """Say what happened, who she is, which case it is and by when, and where to read on.

    Who she is is `called_by` (or her names) where the target may say it, else our id.
    """
    wording = voice.wording
    if "other_answer" in call.context:
        said = {name: value for name, value in said.items() if name not in _ITS_OWN}
    lines = [
        _corrected(call, said, wording),
        _happened(said, wording),
        wording.line("theme", wording.of(said.get("nps_theme"))),
        wording.line("raised", ", ".join(wording.of(topic) for topic in _topics(call))),
        wording.line("other_answer", plain(call.context.get("other_answer"))),
        wording.line("who", who(said) or str(call.customer_id)),
        wording.line("comment", _short(said.get("nps_comment"))),
        _case(call, voice),
        *(
            wording.line(name.removeprefix("attributes.").replace("_", " "), plain(value))
            for name, value in {**said, **call.context}.items()
            if name not in _TOLD
        ),
        wording.line("page", voice.link(call.customer_id)),
    ]
    return "\n".join(line for line in lines if line)


def who(said: Mapping[str, Value]) -> str | None:
    """Name her as the target may: as she is called, else by the names it lists."""
    if said.get("called_by"):
        return plain(said["called_by"])
    names = [plain(said.get(name)) for name in ("title", "first_name", "last_name")]
    return " ".join(name for name in names if name) or None


def person(said: Mapping[str, Value], identifiers: Mapping[str, Any]) -> str:
    """Name a customer to a helpdesk, which refuses nobody's name: else by what she is known by."""
    known = (identifiers.get(kind) for kind in ("email", "phone", "external_id"))
    return who(said) or next((plain(value) for value in known if value), "Customer")


def plain(value: object) -> str:
    """Write a value in one line, so that nobody's words look like a line of ours."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split())


def _short(comment: Value) -> str | None:
    said = plain(comment)
    cut = said if len(said) <= LONGEST_COMMENT else f"{said[: LONGEST_COMMENT - 1]}…"
    return cut or None


def _topics(call: ActionCall) -> list[str]:
    raised = call.context.get("escalations")
    return list(raised) if isinstance(raised, list | tuple) else []


def _score(said: Mapping[str, Value]) -> str:
    score = said.get("nps_score")
    return "" if score is None else f"{score}/10"


def _happened(said: Mapping[str, Value], wording: Wording) -> str:
    """Say what she answered and how that moved her: "Detractor, 3/10 (promoter before)"."""
    segment, before = said.get("nps_segment"), said.get("nps_previous_segment")
    now = ", ".join(part for part in (wording.of(segment), _score(said)) if part)
    asides = []
    if before and before != segment:
        asides.append(wording.before.format(segment=wording.of(before)))
    if said.get("nps_move"):
        asides.append(wording.of(f"move_{said['nps_move']}"))
    told = now[:1].upper() + now[1:]
    return f"{told} ({', '.join(asides)})" if told and asides else told


def _corrected(call: ActionCall, said: Mapping[str, Value], wording: Wording) -> str | None:
    """Say what the alert before had said, and what is true: "Corrected: was 3/10, is 9/10"."""
    if call.corrects is None:
        return None
    was, now = (
        ", ".join(part for part in (_score(of), *_terms(of, wording)) if part)
        for of in ({k: v for k, v in call.corrects.was.items() if k in said}, said)
    )
    nothing = wording.of("none")
    told = wording.corrected.format(before=was or nothing, now=now or nothing)
    return wording.line("corrected", told)


def _terms(said: Mapping[str, Value], wording: Wording) -> list[str]:
    return [wording.of(said.get(name)) for name in ("nps_segment", "nps_theme")]


def _case(call: ActionCall, voice: Voice) -> str | None:
    case, due = call.context.get("case_id"), call.context.get("case_due_at")
    if not case:
        return None
    if not isinstance(due, str):
        return voice.wording.line("case", plain(case))
    by = voice.clock(datetime.fromisoformat(due))
    return voice.wording.line("case", voice.wording.by.format(case=plain(case), moment=by))
