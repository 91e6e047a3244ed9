"""What would be asked of a platform, request by request, without asking. Pure.

In: an account whose secrets are marks (`Marks`), a deal. Out: every step in the preset's order with
what leads to it; what a step takes from an earlier answer is named instead of known. Secrets never
come here: their marks are shown as dots.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from services.dispatcher.platforms.auth import ClientCredentials
from services.dispatcher.platforms.compose import write_request
from services.dispatcher.platforms.deals import Account, Deal
from services.dispatcher.platforms.operation import Operation, Step
from services.dispatcher.platforms.render import Unrenderable
from services.dispatcher.platforms.signin import token_request

#: What stands for a secret.
HIDDEN = "••••"


class Marks:
    """Plain words that stand for values while requests are written, and what is shown for them.

    A mark holds letters, digits and `-` only, so that no encoding of a URL, a form, JSON or XML
    changes it.
    """

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def add(self, shown: str, *, url: bool = False) -> str:
        """Return a new mark; one that is a whole URL where a URL is asked for."""
        name = f"marked-value-{len(self._shown)}-"
        mark = f"https://{name}.invalid" if url else name
        self._shown[mark] = shown
        return mark

    def show(self, text: str) -> str:
        """Put what is shown in place of every mark."""
        for mark, shown in self._shown.items():
            text = text.replace(mark, shown)
        return text


@dataclass(frozen=True, slots=True)
class Shown:
    """One request as it would leave; `why` it cannot be written, where it cannot.

    `passed_over`: it is not asked for by this channel, which is no mistake.
    """

    step: str
    reached: str
    method: str = ""
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    why: str = ""
    passed_over: bool = False


def rehearse(account: Account, deal: Deal, marks: Marks, *, at: datetime) -> tuple[Shown, ...]:
    """Write every request of a deal."""
    return tuple(_steps(account, deal, marks, at))


def _steps(account: Account, deal: Deal, marks: Marks, at: datetime) -> Iterator[Shown]:
    auth, names = account.preset.auth, dict(deal.names)
    if isinstance(auth, ClientCredentials):
        request = token_request(auth, account.vars)
        yield _shown("sign-in", "first, unless a token is still good", request, marks)
        names["token"] = marks.add("<token, from sign-in>")
    operation = deal.operation
    for step in operation.steps:
        reached = _reached(operation, step)
        if step.channels and deal.channel not in step.channels:
            why = f"passed over: not asked for {deal.channel}"
            yield Shown(step.id, reached, why=why, passed_over=True)
            continue
        lacking = next((kind for kind in step.needs if not names.get(kind)), None)
        if lacking:
            why = f"the customer has no {lacking}, which this platform needs: rejected"
            yield Shown(step.id, reached, why=why)
            return
        yield _written(account, deal, step, names, marks=marks, at=at)
        for name, path in {**step.extract, **step.extract_text}.items():
            names[name] = marks.add(f"<{name}, from {step.id}: {path}>")


def _written(
    account: Account,
    deal: Deal,
    step: Step,
    names: Mapping[str, object],
    *,
    marks: Marks,
    at: datetime,
) -> Shown:
    reached, link = _reached(deal.operation, step), step.request.url
    request = step.request
    if link is not None:
        # The link itself comes with an answer; all else of the request is known.
        request = request.model_copy(update={"url": None, "path": ""})
    asked = step.model_copy(update={"request": request})
    try:
        effect = deal.acts and step.acts
        made = write_request(account, deal, asked, names, effect=effect, at=at)
    except Unrenderable as error:
        return Shown(step.id, reached, method=request.method, why=f"rejected: {error}")
    url = marks.show(str(names[link])) if link is not None else None
    return _shown(step.id, reached, made, marks, url, signed=bool(account.webhook_keys))


def _shown(
    step: str,
    reached: str,
    request: httpx.Request,
    marks: Marks,
    url: str | None = None,
    *,
    signed: bool = False,
) -> Shown:
    headers = [
        (name, HIDDEN if signed and name.lower() == "webhook-signature" else marks.show(value))
        for name, value in (
            (raw.decode("ascii"), said.decode("ascii")) for raw, said in request.headers.raw
        )
        # The length of a body with dots for secrets would be another.
        if name.lower() not in ("host", "content-length")
    ]
    return Shown(
        step=step,
        reached=reached,
        method=request.method,
        url=url or marks.show(str(request.url)),
        headers=tuple(headers),
        body=marks.show(request.content.decode(errors="replace")),
    )


def _reached(operation: Operation, step: Step) -> str:
    """Say what leads to a step."""
    ways = ["first"] if step is operation.steps[0] else []
    for other in operation.steps:
        if other.branch is not None:
            found = {
                "nobody": other.branch.none,
                "one": other.branch.one,
                "several": other.branch.many,
            }
            hits = [count for count, to in found.items() if to == step.id]
            if len(hits) == len(found):
                ways.append(f"after {other.id}, whatever it finds")
            elif hits:
                ways.append(f"after {other.id}, if it finds {' or '.join(hits)}")
        ways += [
            f"after {other.id}, if the answer is {outcome.replace('_', ' ')}"
            for outcome, to in other.after.items()
            if to == step.id
        ]
    return "; ".join(ways)
