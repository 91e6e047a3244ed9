"""Writing the bytes of one step's request: address, headers, body, signature. Pure.

Raises `Unrenderable` for a value that cannot stand where it would have to.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from services.dispatcher.platforms import render
from services.dispatcher.platforms.deals import Account, Deal
from services.dispatcher.platforms.operation import Request as RequestTemplate
from services.dispatcher.platforms.operation import Step
from services.dispatcher.platforms.render import Unrenderable
from services.dispatcher.platforms.signing import signature_headers

USER_AGENT = "nps-connector"
FORM = "application/x-www-form-urlencoded"
_RELATIVE = re.compile(r"[\w@-][\w@.~=-]*(/[\w@.~=-]+)+", re.ASCII)


def write_request(
    account: Account,
    deal: Deal,
    step: Step,
    names: Mapping[str, Any],
    *,
    effect: bool,
    at: datetime,
) -> httpx.Request:
    """Write the bytes of one step's request."""
    template = step.request
    kind, content = _content(template, names)
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    if account.authorization is not None:
        headers["Authorization"] = account.authorization
    for name, value in {**kind, **account.preset.headers, **template.headers}.items():
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
        extensions={"effect": effect},
    )


def _content(template: RequestTemplate, names: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Write the body, and what it is unless the preset names it itself."""
    if template.form is not None:
        return {"Content-Type": FORM}, render.form(template.form, names)
    if template.xml is not None:
        return {"Content-Type": "text/xml; charset=utf-8"}, render.xml(template.xml, names)
    return {}, b"" if template.body is None else render.body(template.body, names)


def _url(account: Account, step: Step, names: Mapping[str, Any]) -> httpx.URL:
    """Address a request below the base URL, or to a link of the same origin that was extracted."""
    template = step.request
    if template.url is None:
        query = render.query(template.query, names)
        path = render.path(template.path or "", names)
        own = account.base_url
        if template.base_url is not None:
            own = render.text(template.base_url, account.vars)
        # A receiver's own URL is kept to the letter, a last slash included.
        base = own.rstrip("/") if path else own
        return httpx.URL(f"{base}{path}{'?' + query if query else ''}")
    return same_origin(account.base_url, completed(account.base_url, names.get(template.url)))


def completed(base_url: str, link: object) -> object:
    """Complete a link that a platform gives without its own address, as a path below the base."""
    # A colon or a slash at its head would make it an address, or a path from the root.
    if not isinstance(link, str) or not _RELATIVE.fullmatch(link) or ".." in link.split("/"):
        return link
    return f"{base_url.rstrip('/')}/{link}"


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
