"""A secret text that comes with every message: who knows it is who he says. Pure.

In: a request, and its decoded body where the token is a field of it. Out: which of our tokens it
brought, or None; comparisons take constant time.
"""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import unquote_plus

from services.ingest.receive.inbound import Inbound
from services.ingest.verify.settings import TokenCheck
from services.ingest.verify.signature_check import Check, only
from services.ingest.verify.signed_text import compile_field

_Find = Callable[[Inbound, object], str | None]


def token_of(check: TokenCheck, secret: str) -> bytes:
    """Make what a message must bring. Raises ValueError when the secret cannot stand there."""
    if check.scheme == "basic":
        if ":" not in secret:
            raise ValueError("must be user:password")
        return base64.b64encode(secret.encode())
    if check.header is not None:
        # Platforms ask for the whole header's text: it may have been copied as it stands there.
        secret = re.sub(r"(?i)^bearer\s+", "", secret)
    if check.path and not re.fullmatch(r"[A-Za-z0-9._~-]+", secret):
        # Other characters are written in more than one way in an address.
        raise ValueError("must be letters, digits and . _ ~ - only, to stand in an address")
    if not secret:
        raise ValueError("is empty")
    return secret.encode()


def token_checker(check: TokenCheck, tokens: Sequence[bytes]) -> Check:
    """Make the check: the place of the token that a request brings, or None."""
    find = _finder(check)

    def verify(inbound: Inbound, tree: object, _now: datetime) -> int | None:
        given = find(inbound, tree)
        if given is None:
            return None
        candidate = given.encode("utf-8", "surrogatepass")
        found: int | None = None
        for place, token in enumerate(tokens):
            if hmac.compare_digest(token, candidate) and found is None:
                found = place
        return found

    return verify


def _finder(check: TokenCheck) -> _Find:
    if check.header is not None:
        return _in_header(check.header, check.scheme)
    if check.query is not None:
        return _in_query(check.query)
    if check.field is not None:
        read = compile_field(check.field)
        return lambda _inbound, tree: read(tree)
    return lambda inbound, _tree: inbound.rest.strip("/")


def _in_header(name: str, scheme: str | None) -> _Find:
    def find(inbound: Inbound, _tree: object) -> str | None:
        value = only(inbound.headers.getlist(name))
        if value is None:
            return None
        # The server reads header bytes as Latin-1; a token beyond ASCII came in UTF-8.
        text = value.encode("latin-1", "backslashreplace").decode("utf-8", "surrogateescape")
        word, _, rest = text.partition(" ")
        if word.lower() == (scheme or "bearer"):
            return rest.strip()
        return text.strip() if scheme is None else None

    return find


def _in_query(name: str) -> _Find:
    def find(inbound: Inbound, _tree: object) -> str | None:
        pairs = (part.partition("=") for part in inbound.query.decode("latin-1").split("&"))
        return only([_unquoted(value) for key, _, value in pairs if _unquoted(key) == name])

    return find


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")
