"""Reading a good answer of one step: who was found, may she be written to, where to go. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from services.dispatcher.calls.calls import Shown, Verdict
from services.dispatcher.platforms import render
from services.dispatcher.platforms.deals import Deal
from services.dispatcher.platforms.operation import Refusal, Sees, Step
from services.dispatcher.platforms.pick import parse, pick
from services.dispatcher.platforms.shown import Shows, read_shown
from services.dispatcher.platforms.verdict import TEXT_LIMIT
from shared import identifiers

#: A field named by its path alone is a flag that says no to messages.
_YES_OR_NO = Refusal(path="$", refuses=("true", "1"), agrees=("false", "0"))


def onward(
    deal: Deal,
    step: Step,
    response: httpx.Response,
    names: dict[str, Any],
    seen: list[Shown] | None = None,
) -> str | Verdict | None:
    """Read a good answer: select, heed refusals, extract, branch. None: the operation is done.

    What it shows of her consent by the way is added to `seen`.
    """
    body = parse(response.content)
    found: list[Any] = [body]
    if step.select is not None:
        items = pick(body, step.select.items)
        if isinstance(items, dict):
            items = list(items.values())
        if not isinstance(items, list):
            return Verdict("retry", f"{step.id}: the answer has no {step.select.items}")
        if step.select.page is not None and len(items) >= step.select.page:
            return Verdict("park", f"{step.id}: a full page of profiles, hers may be on the next")
        wanted = names[step.select.equal]
        mail = step.select.equal == "email"
        found = [i for i in items if _equal(pick(i, step.select.field), wanted, email=mail)]
    shown = read_shown(step.shows, found, names) if step.shows is not None else None
    if seen is not None and shown is not None:
        seen.append(shown)
    refusal = _refusal(deal, step, found, names)
    if refusal:
        return Verdict("suppressed", refusal)
    if len(found) == 1:
        names.update((name, pick(found[0], path)) for name, path in step.extract.items())
    names.update((name, _seen(response, pattern)) for name, pattern in step.extract_text.items())
    if step.branch is None:
        return None
    to = (step.branch.none, step.branch.one, step.branch.many)[min(len(found), 2)]
    if to == "park":
        return Verdict("park", f"{step.id}: {len(found)} profiles match")
    return None if to == "done" else to


def shown_each(
    sees: Sees, shows: Shows, response: httpx.Response, asked: Sequence[Mapping[str, Any]]
) -> list[Shown | None]:
    """Read of a batch's good answer what it shows of each one's consent, in their order."""
    found = pick(parse(response.content), sees.select.items)
    items = list(found.values()) if isinstance(found, dict) else found
    mail = sees.select.equal == "email"
    theirs: dict[str, list[Any]] = {}
    # Each address is read once: comparing all with all would be the square of a large batch.
    for item in items if isinstance(items, list) else []:
        held = item if sees.held_as is None else {sees.held_as: item}
        theirs.setdefault(_known_as(pick(item, sees.select.field), email=mail), []).append(held)
    theirs.pop("", None)
    ours = [_known_as(names.get(sees.select.equal), email=mail) for names in asked]
    hers = zip(ours, asked, strict=True)
    return [read_shown(shows, theirs.get(name, []), names) for name, names in hers]


def _known_as(said: object, *, email: bool) -> str:
    """Write a name as two that are equal are written; no name is empty."""
    if not isinstance(said, str) or not email:
        return said if isinstance(said, str) else ""
    normal = identifiers.AS_SAID.email(said)
    return "" if normal is None else normal.value


def _seen(response: httpx.Response, pattern: str) -> str | None:
    """Find what an answer that is no JSON says: the first group of a pattern."""
    found = re.search(pattern, response.content[:TEXT_LIMIT].decode(errors="replace"))
    return found.group(1) if found else None


def _refusal(deal: Deal, step: Step, found: list[Any], names: Mapping[str, Any]) -> str | None:
    """Return why the platform's own consent data forbids this message, if it does.

    A field that is not shown, or says neither yes nor no, is no refusal of a service message; but
    unknown consent is *no* for marketing.
    """
    asked = (said for name, said in step.refused_by.items() if name in ("any", deal.channel))
    for where in (where for several in asked for where in several):
        refusal = _YES_OR_NO if isinstance(where, str) else where
        path = where if isinstance(where, str) else where.path
        said = {text for item in found for text in _texts(pick(item, path), refusal.each)}
        if said & {render.text(text, names).lower() for text in refusal.refuses}:
            return f"opted out on the platform ({path.removeprefix('$.')})"
        known = not refusal.agrees or said <= {text.lower() for text in refusal.agrees}
        if deal.contact_class == "marketing" and not known:
            return f"consent unknown on the platform ({path.removeprefix('$.')})"
    return None


def _texts(said: object, each: str | None) -> list[str]:
    """Read a field, or each item of a list, as texts to compare."""
    items = (said or [None]) if isinstance(said, list) else [said]
    return [str(pick(item, each or "$")).lower() for item in items]


def _equal(theirs: object, ours: str, *, email: bool) -> bool:
    """Compare exactly, of a list any; addresses as every service writes them.

    Not by the plus policy: a platform's profile of another spelling is another mailbox there.
    """
    if isinstance(theirs, list):
        return any(_equal(one, ours, email=email) for one in theirs if isinstance(one, str))
    return isinstance(theirs, str) and _known_as(theirs, email=email) == ours
