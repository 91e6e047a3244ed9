"""One push or one action as a conversation, without I/O (in the manner of httpx's auth flows).

A generator yields `httpx.Request` (or `SignIn`: a token is needed), is sent what came of it, and
returns the `Verdict`. In: the account (preset, vars), the operation, the names its templates use.
A request whose effect must not happen twice carries the extension `once`. Pure: the shell that
drives it owns time, network and tokens.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from services.dispatcher import render
from services.dispatcher.calls import Verdict
from services.dispatcher.pick import parse, pick
from services.dispatcher.preset import ClientCredentials, Operation, Preset, Step
from services.dispatcher.render import Unrenderable
from services.dispatcher.signing import signature_headers
from services.dispatcher.verdict import Failure, Ruling, classify
from shared import identifiers
from shared.events.vocabulary import Channel

#: References are for people and status calls; a novel does not fill our rows.
_LONGEST_REFERENCE = 512
_USER_AGENT = "nps-connector"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Asks for a token; `stale` is one the platform has just refused."""

    stale: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """The answer to `SignIn`."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """One target as the interpreter sees it."""

    preset: Preset
    base_url: str
    vars: Mapping[str, str] = field(repr=False)
    webhook_keys: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Deal:
    """What is to be done, once: an operation and the values of its names.

    `once`: the effect must not happen twice, so an unanswered request leaves doubt. `message_id`
    names the push or the action to a receiver that forgets repeats.
    """

    operation: Operation
    names: Mapping[str, Any]
    once: bool
    message_id: str
    channel: Channel | None = None
    contact_class: str | None = None


Asked = httpx.Request | SignIn
Told = httpx.Response | Failure | Token | Verdict
Exchange = Generator[Asked, Told, Verdict]


def exchange(account: Account, deal: Deal, *, at: datetime) -> Exchange:
    """Hold the conversation; `at` is the time of this attempt."""
    try:
        return (yield from _walk(account, deal, at))
    except Unrenderable as error:
        return Verdict("reject", str(error))


def _walk(account: Account, deal: Deal, at: datetime) -> Exchange:
    names = dict(deal.names)
    done: set[tuple[str, str]] = set()
    step = deal.operation.steps[0]
    while True:
        if step.skip and deal.contact_class in step.skip.classes:
            step = deal.operation.step(step.skip.to)
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
            following = _onward(deal, step, response, names)
        if following is None:
            return _success(deal, ruling, names)
        if isinstance(following, Verdict):
            return following
        step = deal.operation.step(following)


def _ask(
    account: Account, deal: Deal, step: Step, names: dict[str, Any], at: datetime
) -> Generator[Asked, Told, Verdict | tuple[Ruling, httpx.Response | None]]:
    """Make one step's request, with one new token if the platform refuses the present one."""
    signs_in = isinstance(account.preset.auth, ClientCredentials)
    once = deal.once and step.request.method != "GET"
    for renewed in (False, True):
        if signs_in and (renewed or "token" not in names):
            told = yield SignIn(stale=names.get("token"))
            if not isinstance(told, Token):
                return told if isinstance(told, Verdict) else Verdict("retry", "sign-in failed")
            names["token"] = told.value
        told = yield _request(account, deal, step, names, once=once, at=at)
        if not isinstance(told, httpx.Response | Failure):
            raise TypeError(f"a request is answered by a response or a failure, not {told!r}")
        ruling = classify(told, account.preset.classify, step=step.id, once=once, now=at)
        if ruling.outcome != "auth_refresh":
            good = ruling.outcome in ("ok", "accepted") and isinstance(told, httpx.Response)
            return ruling, told if good and isinstance(told, httpx.Response) else None
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
            return there
        case "auth_refresh":
            raise AssertionError("handled with the request")
        case outcome:
            return Verdict(outcome, ruling.reason, ruling.wait)


def _onward(
    deal: Deal, step: Step, response: httpx.Response, names: dict[str, Any]
) -> str | Verdict | None:
    """Read a good answer: select, heed refusals, extract, branch. None: the operation is done."""
    body = parse(response.content)
    found: list[Any] = [body]
    if step.select is not None:
        items = pick(body, step.select.items)
        if not isinstance(items, list):
            return Verdict("retry", f"{step.id}: the answer has no {step.select.items}")
        wanted = names[step.select.equal]
        mail = step.select.equal == "email"
        found = [i for i in items if _equal(pick(i, step.select.field), wanted, email=mail)]
    refusal = _refusal(deal, step, found)
    if refusal:
        return Verdict("suppressed", refusal)
    if len(found) == 1:
        names.update((name, pick(found[0], path)) for name, path in step.extract.items())
    if step.branch is None:
        return step.goto
    to = (step.branch.none, step.branch.one, step.branch.many)[min(len(found), 2)]
    if to == "park":
        return Verdict("park", f"{step.id}: {len(found)} profiles match")
    return to


def _refusal(deal: Deal, step: Step, found: list[Any]) -> str | None:
    """Return why the platform's own consent data forbids this message, if it does.

    A field that the platform does not show is no refusal of a service message, but unknown
    consent is *no* for marketing.
    """
    for channel, paths in step.refused_by.items():
        if channel not in ("any", deal.channel):
            continue
        for path in paths:
            said = [pick(item, path) for item in found]
            if any(str(value).lower() in ("true", "1") for value in said):
                return f"opted out on the platform ({path.removeprefix('$.')})"
            if deal.contact_class == "marketing" and any(value is None for value in said):
                return f"consent unknown on the platform ({path.removeprefix('$.')})"
    return None


def _equal(theirs: object, ours: str, *, email: bool) -> bool:
    """Compare exactly; addresses after the normalising that every service uses."""
    if not isinstance(theirs, str):
        return False
    if not email:
        return theirs == ours
    normal = identifiers.email(theirs)
    return normal is not None and normal.value == ours


def _success(deal: Deal, ruling: Ruling, names: Mapping[str, Any]) -> Verdict:
    reference = names.get("reference")
    told = str(reference)[:_LONGEST_REFERENCE] if reference else None
    return Verdict(deal.operation.success, ruling.reason, reference=told)


def _request(
    account: Account, deal: Deal, step: Step, names: Mapping[str, Any], *, once: bool, at: datetime
) -> httpx.Request:
    """Write the bytes of one step's request."""
    template = step.request
    content = b"" if template.body is None else render.body(template.body, names)
    headers = {"User-Agent": _USER_AGENT, "Accept": "application/json"}
    for name, value in {**account.preset.headers, **template.headers}.items():
        rendered = render.header(name, value, names)
        if rendered is not None:
            headers[name] = rendered
    if account.webhook_keys:
        headers |= signature_headers(
            account.webhook_keys, deal.message_id, int(at.timestamp()), content
        )
    return httpx.Request(
        template.method,
        _url(account, step, names),
        headers=headers,
        content=content,
        extensions={"once": once},
    )


def _url(account: Account, step: Step, names: Mapping[str, Any]) -> httpx.URL:
    """Address a request below the base URL, or to a link of the same origin that was extracted."""
    template = step.request
    if template.url is None:
        query = render.query(template.query, names)
        path = render.path(template.path or "", names)
        # A receiver's own URL is kept to the letter, a last slash included.
        base = account.base_url.rstrip("/") if path else account.base_url
        return httpx.URL(f"{base}{path}{'?' + query if query else ''}")
    return same_origin(account.base_url, names.get(template.url))


def same_origin(base_url: str, link: object) -> httpx.URL:
    """Accept a link that a platform gave only where it stays on the platform's own origin."""
    try:
        url = httpx.URL(link) if isinstance(link, str) else None
    except httpx.InvalidURL:
        url = None
    base = httpx.URL(base_url)
    origin = (base.scheme, base.host, base.port, b"")
    if url is None or (url.scheme, url.host, url.port, url.userinfo) != origin:
        raise Unrenderable("the platform's link leads away from the target's own address")
    return url
