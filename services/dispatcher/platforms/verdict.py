"""Judging one HTTP answer: rules over status, header, JSON and text, in order; the first wins.

In: what came back (`httpx.Response`, or the `Failure` of the wire) and a preset's rules. Out: a
`Ruling`, whose vocabulary is the verdict's plus what only the exchange understands (`conflict`,
`not_found`, `auth_refresh`). Pure. Reasons are ours, never the platform's words: an error text may
quote the customer.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, Field, model_validator

from services.dispatcher.calls.calls import Outcome
from services.dispatcher.platforms.pick import Path, parse, pick
from shared.http.retry_after import retry_after
from shared.settings import Strict

#: `connect`: nothing left us · `sent`: bytes left, no whole answer · `refused`: not a place to go.
Phase = Literal["connect", "sent", "refused"]
RuledOutcome = Outcome | Literal["conflict", "not_found", "auth_refresh"]

#: Error texts are short; a regular expression is not let loose on a megabyte.
TEXT_LIMIT = 64 * 1024
#: A platform that asks for longer means something else, or is broken.
_LONGEST_WAIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Failure:
    """The wire brought no answer. `reason` holds nothing of the request."""

    phase: Phase
    reason: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one answer means to the exchange."""

    outcome: RuledOutcome
    reason: str
    wait: timedelta | None = None


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Regex = Annotated[str, AfterValidator(_regex)]
#: A status (`404`) or a class of them (`4xx`).
Status = Annotated[str, Field(pattern=r"^[1-5](\d\d|xx)$")]


class Wait(Strict):
    """Which header of an answer says how long to wait, where it is not `Retry-After`."""

    header: str
    unit: Literal["s", "ms", "epoch_s", "epoch_ms"] = Field("s", description="a span, or a moment")


class Rule(Strict):
    """One line of a classification: all that is given must match."""

    status: tuple[Status, ...] = Field((), description="statuses, any of them; empty: every one")
    header: dict[str, Regex] = Field(
        default_factory=dict, description="header → pattern found in its value"
    )
    path: Path | None = Field(None, description="where in the JSON body to look")
    values: tuple[str, ...] = Field((), description="texts, one of which is at `path`")
    present: bool | None = Field(None, description="whether anything (not null) is at `path`")
    text: Regex | None = Field(None, description="pattern found in the body; group `code` is told")
    steps: tuple[str, ...] = Field((), description="steps this rule is for; empty: every one")
    then: RuledOutcome
    wait: Wait | None = Field(None, description="the header that says when to come again")
    reason: str = Field("", description="in our words; else the status")

    @model_validator(mode="after")
    def _path_and_what_is_there(self) -> "Rule":
        if (self.path is None) != (not self.values and self.present is None):
            raise ValueError("`path` and `values` (or `present`) go together")
        if self.values and self.present is not None:
            raise ValueError("give `values` or `present`, not both")
        return self


#: What is true of every platform unless its preset says otherwise before.
DEFAULT_RULES = (
    Rule(status=("2xx",), then="ok"),
    Rule(status=("425", "429"), then="throttle", reason="the platform asks to slow down"),
    # A gateway speaks: what stands behind it got our request, or may have, and was not heard.
    Rule(status=("502", "504"), then="in_doubt", reason="a gateway got no answer from behind it"),
    # Turned away before anything was done: not read whole, or taking no requests now.
    Rule(status=("408", "503"), then="retry"),
    # It failed at some point, before the effect or after: as unknown as no answer at all.
    Rule(status=("5xx",), then="in_doubt", reason="the platform failed"),
    # A redirect is never followed: it would carry credentials and customers elsewhere.
    Rule(status=("3xx",), then="park", reason="the platform redirects: correct the target's URL"),
    Rule(status=("1xx", "4xx"), then="reject"),
)


def classify(
    heard: httpx.Response | Failure,
    rules: tuple[Rule, ...],
    *,
    step: str,
    effect: bool,
    now: datetime,
) -> Ruling:
    """Rule on what came back for `step`; `effect`: this request acts, else doubt is a retry."""
    if isinstance(heard, Failure):
        return _classify_failure(heard, effect=effect)
    for rule in (*rules, *DEFAULT_RULES):
        found = _match(rule, heard, step)
        if found is not None:
            return _ruling(rule, heard, found, effect=effect, now=now)
    # HTTP has no such status; RFC 9110 reads it as a server's error.
    return Ruling("in_doubt" if effect else "retry", f"HTTP {heard.status_code}")


def _classify_failure(failure: Failure, *, effect: bool) -> Ruling:
    if failure.phase == "refused":
        return Ruling("disable_target", failure.reason)
    if failure.phase == "sent" and effect:
        return Ruling("in_doubt", f"sent, but not answered: {failure.reason}")
    return Ruling("retry", failure.reason)


def _match(rule: Rule, response: httpx.Response, step: str) -> str | None:
    """Return the code that the rule's text names (maybe empty), or None where it does not match."""
    code = str(response.status_code)
    if rule.status and not any(s in (code, f"{code[0]}xx") for s in rule.status):
        return None
    if rule.steps and step not in rule.steps:
        return None
    if not all(re.search(p, response.headers.get(h, "")) for h, p in rule.header.items()):
        return None
    if rule.path is not None and not _is_there(rule, pick(parse(response.content), rule.path)):
        return None
    if rule.text is None:
        return ""
    # The charset that the answer names is not trusted: codes are ASCII in any of them.
    text = response.content[:TEXT_LIMIT].decode(errors="replace")
    found = re.search(rule.text, text)
    return None if found is None else found.groupdict().get("code") or ""


def _named_wait(rule: Rule, response: httpx.Response, now: datetime) -> timedelta | None:
    """Read the platform's own header; nonsense, the past and more than a day are no answer."""
    if rule.wait is None:
        return None
    try:
        said = float(response.headers.get(rule.wait.header, ""))
        seconds = said / 1000 if rule.wait.unit.endswith("ms") else said
        if rule.wait.unit.startswith("epoch"):
            seconds -= now.timestamp()
        found = timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    return found if timedelta(0) < found <= _LONGEST_WAIT else None


def _is_there(rule: Rule, found: object) -> bool:
    if rule.present is not None:
        return (found is not None) is rule.present
    return str(found) in rule.values


def _ruling(
    rule: Rule, response: httpx.Response, code: str, *, effect: bool, now: datetime
) -> Ruling:
    reason = ": ".join(part for part in (f"HTTP {response.status_code}", code, rule.reason) if part)
    outcome: RuledOutcome = rule.then
    if outcome == "in_doubt" and not effect:
        outcome = "retry"
    again = outcome in ("retry", "throttle", "in_doubt")
    wait = (retry_after(response, now) or _named_wait(rule, response, now)) if again else None
    if outcome == "retry" and wait is not None:
        # 503 with Retry-After is a throttle whatever the rule called it: the platform named a time.
        outcome = "throttle"
    return Ruling(outcome, reason, wait)
