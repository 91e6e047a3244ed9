"""One push or one action as a conversation, without I/O (in the manner of httpx's auth flows).

A generator yields `httpx.Request` (or `SignIn`: a token is needed), is sent what came of it, and
returns the `Verdict`. In: the account (preset, vars), the operation, the names its templates use.
A request that acts carries the extension `effect`: unanswered, it leaves doubt. Pure: the shell
that drives it owns time, network and tokens.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx

from services.dispatcher.calls.calls import Shown, Verdict
from services.dispatcher.platforms.auth import ClientCredentials
from services.dispatcher.platforms.compose import write_request
from services.dispatcher.platforms.deals import Account, Deal
from services.dispatcher.platforms.operation import Batch, Step
from services.dispatcher.platforms.reading import onward, shown_each
from services.dispatcher.platforms.render import Unrenderable
from services.dispatcher.platforms.together import partly, with_shown
from services.dispatcher.platforms.verdict import Failure, Rule, Ruling, classify

#: References are for people and status calls: cut off they are worth nothing, and a novel does not
#: fill our rows.
_LONGEST_REFERENCE = 512


@dataclass(frozen=True, slots=True)
class SignIn:
    """Asks for a token; `stale` is one the platform has just refused."""

    stale: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """The answer to `SignIn`."""

    value: str = field(repr=False)


Asked = httpx.Request | SignIn
Told = httpx.Response | Failure | Token | Verdict
Exchange = Generator[Asked, Told, Verdict]


def exchange(account: Account, deal: Deal, *, at: datetime) -> Exchange:
    """Hold the conversation; `at` is the time of this attempt."""
    seen: list[Shown] = []
    try:
        if deal.members and deal.operation.batch is not None:
            return (yield from _together(account, deal, deal.operation.batch, at))
        verdict = yield from _walk(account, deal, at, seen)
    except Unrenderable as error:
        verdict = Verdict("reject", str(error))
    # Who was looked up twice is as she was seen last.
    return replace(verdict, shown=seen[-1]) if seen else verdict


def ask_once(
    account: Account, deal: Deal, *, at: datetime
) -> Generator[Asked, Told, httpx.Response | Verdict]:
    """Ask the first step's question alone; returns its good answer, or why there is none."""
    try:
        heard = yield from _ask(account, deal, deal.operation.steps[0], dict(deal.names), at)
    except Unrenderable as error:
        return Verdict("reject", str(error))
    if isinstance(heard, Verdict):
        return heard
    ruling, response = heard
    if response is not None:
        return response
    told = _detour(deal.operation.steps[0], ruling, set())
    return told if isinstance(told, Verdict) else Verdict("reject", ruling.reason)


def ask_status(
    account: Account, deal: Deal, *, at: datetime
) -> Generator[Asked, Told, httpx.Response | Verdict]:
    """Ask what became of a message: the good answer, or the verdict without one.

    That the platform knows nothing of it, not yet or no more, is no failure of the call.
    """
    step = deal.operation.steps[0]
    try:
        heard = yield from _ask(account, deal, step, dict(deal.names), at)
    except Unrenderable as error:
        return Verdict("reject", str(error))
    if isinstance(heard, Verdict):
        return heard
    ruling, response = heard
    if response is not None:
        return response
    if ruling.outcome == "not_found":
        return Verdict("ok", ruling.reason)
    told = _detour(step, ruling, set())
    return told if isinstance(told, Verdict) else Verdict("reject", ruling.reason)


def _walk(account: Account, deal: Deal, at: datetime, seen: list[Shown]) -> Exchange:
    names = dict(deal.names)
    done: set[tuple[str, str]] = set()
    step = deal.operation.steps[0]
    while True:
        if step.channels and step.branch is not None and deal.channel not in step.channels:
            step = deal.operation.step(step.branch.none)
            continue
        lacking = next((kind for kind in step.needs if not names.get(kind)), None)
        if lacking:
            return Verdict("reject", f"the customer has no {lacking}, which this platform needs")
        heard = yield from _ask(account, deal, step, names, at)
        if isinstance(heard, Verdict):
            return heard
        ruling, response = heard
        following: str | Verdict | None
        if response is None:
            following = _detour(step, ruling, done)
        else:
            following = onward(deal, step, response, names, seen)
        if following is None or following == "done":
            return _success(deal, ruling, names)
        if isinstance(following, Verdict):
            return following
        step = deal.operation.step(following)


def _together(account: Account, deal: Deal, batch: Batch, at: datetime) -> Exchange:
    """Make the one request of a batch; what failed of it is told by place."""
    step = Step(id=batch.step, request=batch.request)
    told: tuple[Rule, ...] = ()
    if batch.failures is not None:
        # Where items are told apart, that comes before whatever a rule makes of an answer for one.
        path = f"{batch.failures.items}[0]"
        told = (Rule(status=("2xx",), path=path, present=True, then="ok"),)
    heard = yield from _ask(account, deal, step, dict(deal.names), at, first=told)
    if isinstance(heard, Verdict):
        return heard
    ruling, response = heard
    if response is None:
        refused = _detour(step, ruling, set())
        return refused if isinstance(refused, Verdict) else Verdict("reject", ruling.reason)
    verdict = success = Verdict(deal.operation.success, ruling.reason)
    if batch.failures is not None:
        verdict = partly(batch.failures, response, deal.members, success, step=step.id)
    shows = deal.operation.step(batch.step).shows
    if batch.sees is None or shows is None or verdict.outcome != success.outcome:
        return verdict
    seen = shown_each(batch.sees, shows, response, deal.members)
    return with_shown(verdict, success, seen)


def _ask(
    account: Account,
    deal: Deal,
    step: Step,
    names: dict[str, Any],
    at: datetime,
    *,
    first: tuple[Rule, ...] = (),
) -> Generator[Asked, Told, Verdict | tuple[Ruling, httpx.Response | None]]:
    """Make one step's request, with one new token if the platform refuses the present one.

    Returns the ruling, with the answer where it is good; or the verdict that ends it all.
    """
    signs_in = isinstance(account.preset.auth, ClientCredentials)
    effect = deal.acts and step.acts
    for renewed in (False, True):
        if signs_in and (renewed or "token" not in names):
            told = yield SignIn(stale=names.get("token"))
            if not isinstance(told, Token):
                return told if isinstance(told, Verdict) else Verdict("retry", "sign-in failed")
            names["token"] = told.value
        told = yield write_request(account, deal, step, names, effect=effect, at=at)
        if not isinstance(told, httpx.Response | Failure):
            raise TypeError(f"a request is answered by a response or a failure, not {told!r}")
        rules = (*first, *account.preset.classify)
        ruling = classify(told, rules, step=step.id, effect=effect, now=at)
        if ruling.outcome in ("ok", "accepted") and isinstance(told, httpx.Response):
            return ruling, told
        if ruling.outcome != "auth_refresh":
            return ruling, None
        if not signs_in:
            break
    return Verdict("disable_target", f"{ruling.reason}: check the credentials")


def _detour(step: Step, ruling: Ruling, done: set[tuple[str, str]]) -> str | Verdict:
    """Say where to go after an answer that is not success: another step, once, or the end."""
    match ruling.outcome:
        case "conflict" | "not_found" as outcome:
            there = step.after.get(outcome)
            if there is None:
                return Verdict("reject", ruling.reason)
            if (step.id, outcome) in done:
                return Verdict("park", f"{ruling.reason}, twice in a row")
            done.add((step.id, outcome))
            return Verdict("park", ruling.reason) if there == "park" else there
        case "auth_refresh":
            raise AssertionError("handled with the request")
        case outcome:
            return Verdict(outcome, ruling.reason, ruling.wait)


def _success(deal: Deal, ruling: Ruling, names: Mapping[str, Any]) -> Verdict:
    said = names.get("reference")
    # Stored as it is: so only a plain text (no NUL, which PostgreSQL would refuse) or a number.
    plain = str(said) if isinstance(said, str | int) and said else ""
    told = plain if plain.isprintable() and 0 < len(plain) <= _LONGEST_REFERENCE else None
    return Verdict(deal.operation.success, ruling.reason, reference=told)
