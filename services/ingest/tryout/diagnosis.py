"""Why a captured message is not signed as its source says, for the operator who sets it up.

In: the source's `verify`, its secrets, the request, its decoded body, the time. Out: sentences,
the most telling first. Never for the sender: who is refused is told nothing. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final, get_args

from services.ingest.mapper.moments import parse
from services.ingest.mapper.values import Unreadable
from services.ingest.receive.inbound import Inbound
from services.ingest.verify.settings import SignatureCheck, TokenCheck
from services.ingest.verify.signature_check import checker
from services.ingest.verify.signatures import Encoding, KeyRecipe, Scheme, checking_key_of
from services.ingest.verify.signed_text import compile_field
from services.ingest.verify.verifier import compile_verifier, scheme_of

#: What platforms sign, beside the body alone; tried when nothing else explains a wrong signature.
_SIGNED: Final = (
    "{body}",
    "{timestamp}.{body}",
    "{id}.{timestamp}.{body}",
    "{timestamp}{body}",
    "{timestamp}:{body}",
    "v0:{timestamp}:{body}",
    "{url}{body}",
    "{method}{url}{body}{timestamp}",
)
_DIGESTS: Final = {"sha1": 20, "sha256": 32, "sha512": 64, "ed25519": 64}
_DAY_S: Final = 86_400


def why(
    check: SignatureCheck | TokenCheck,
    secrets: Sequence[str],
    inbound: Inbound,
    tree: object,
    now: datetime,
) -> tuple[str, ...]:
    """Say why nobody vouches for this message; `secrets` are texts that fit the check."""
    if isinstance(check, TokenCheck):
        return (_of_token(check, inbound, tree),)
    missing = tuple(_missing(check, inbound, tree))
    if missing:
        return missing
    late = _of_time(check, secrets, inbound, tree, now)
    if late:
        return (late,)
    return (
        *_of_shape(check, inbound, tree),
        *(
            _of_body(check, secrets, inbound, tree, now)
            or _of_scheme(check, secrets, inbound, tree, now)
        ),
    ) or ("the signature is of another secret, another body or another signed text",)


def _of_token(check: TokenCheck, inbound: Inbound, tree: object) -> str:
    if check.path:
        place, there = "the address after the source's name", bool(inbound.rest.strip("/"))
        found = 1 if there else 0
    elif check.query is not None:
        place = f"the query's {check.query!r}"
        found = len(
            re.findall(rf"(?:^|&){re.escape(check.query)}=", inbound.query.decode("latin-1"))
        )
    elif check.field is not None:
        place = f"the body's field {check.field!r}"
        found = 0 if compile_field(check.field)(tree) is None else 1
    else:
        place = f"the header {check.header!r}"
        found = len(inbound.headers.getlist(check.header or ""))
    if found != 1:
        return f"the token is missing: {place} {'is not there' if not found else 'comes twice'}"
    return f"{place} holds another token than the secret"


def _missing(check: SignatureCheck, inbound: Inbound, tree: object) -> Iterator[str]:
    """Name the texts that must be there exactly once and are not."""
    for what, header, field in (
        ("the signature", check.header, check.field),
        ("the message's id", check.id_header, None),
        ("the time", check.timestamp_header, check.timestamp_field),
    ):
        if header is not None:
            found = len(inbound.headers.getlist(header))
            if found != 1:
                told = "is not there" if not found else f"comes {found} times"
                yield f"{what} is missing: the header {header!r} {told}"
        elif field is not None and compile_field(field)(tree) is None:
            yield f"{what} is missing: the body's field {field!r} is not there"


def _sent(check: SignatureCheck, inbound: Inbound, tree: object) -> str:
    if check.header is not None:
        return inbound.headers.get(check.header) or ""
    return compile_field(check.field or "")(tree) or ""


def _time_sent(check: SignatureCheck, inbound: Inbound, tree: object) -> str | None:
    """Find the text of the time; None where this scheme has none."""
    if check.timestamp_header is not None:
        return inbound.headers.get(check.timestamp_header)
    if check.timestamp_field is not None:
        return compile_field(check.timestamp_field)(tree)
    if check.timestamp_prefix is not None:
        parts = [part.strip() for part in _sent(check, inbound, tree).split(check.separator)]
        marked = (part for part in parts if part.startswith(check.timestamp_prefix))
        return next(marked, "").removeprefix(check.timestamp_prefix)
    return None


def _of_time(
    check: SignatureCheck, secrets: Sequence[str], inbound: Inbound, tree: object, now: datetime
) -> str:
    """Tell a message that was captured long ago from one that was never signed right."""
    text = _time_sent(check, inbound, tree)
    if text is None:
        return ""
    unit = check.timestamp_unit
    try:
        sent_at = parse(text, UTC)
    except Unreadable:
        return f"the time {text[:40]!r} does not read as timestamp_unit: {unit}"
    looks = "iso" if not text.isdigit() else "ms" if len(text) > 11 else "s"
    if looks != unit:
        return f"the time {text[:40]!r} is no timestamp_unit: {unit}; it looks like {looks}"
    away = abs((now - sent_at).total_seconds())
    if away <= check.tolerance_s:
        return ""
    told = f"{away / _DAY_S:.0f} days" if away > 2 * _DAY_S else f"{away:.0f} s"
    side = "old" if sent_at < now else "ahead"
    if compile_verifier(check, secrets).vouch(inbound, tree, sent_at) is not None:
        return (
            f"only its time: it is {told} {side}, tolerance_s is {check.tolerance_s}. It was right "
            f"when it was sent (try it as of then: --at {sent_at.isoformat()})"
        )
    return (
        f"its time is {told} {side} (tolerance_s is {check.tolerance_s}), and the signature was "
        "not right then either"
    )


def _of_shape(check: SignatureCheck, inbound: Inbound, tree: object) -> Iterator[str]:
    """Tell a signature that cannot be one of this scheme by its looks."""
    parts = [_sent(check, inbound, tree).strip()]
    if check.separator:
        parts = [part.strip() for part in parts[0].split(check.separator)]
    ours = [part.removeprefix(check.prefix) for part in parts if part.startswith(check.prefix)]
    if not ours:
        yield f"no part of the signature begins with prefix: {check.prefix!r}"
        return
    length = _DIGESTS[check.algorithm]
    if check.encoding == "hex" and not any(
        re.fullmatch(r"[0-9a-fA-F]+", part) and len(part) == 2 * length for part in ours
    ):
        yield (
            f"no part of it is the hex of {check.algorithm} ({2 * length} digits after the prefix)"
        )
    if check.encoding == "base64" and not any(
        re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", part) and len(part) == -(-length // 3) * 4
        for part in ours
    ):
        yield (
            f"no part of it is the base64 of {check.algorithm} "
            f"({-(-length // 3) * 4} characters after the prefix)"
        )


def _of_body(
    check: SignatureCheck, secrets: Sequence[str], inbound: Inbound, tree: object, now: datetime
) -> tuple[str, ...]:
    """Try the body as it was before an editor saved it."""
    verifier = compile_verifier(check, secrets)
    for told, body in (
        ("without the line break at its end", inbound.body.rstrip(b"\r\n")),
        ("with line breaks CR LF instead of LF", inbound.body.replace(b"\n", b"\r\n")),
        ("with line breaks LF instead of CR LF", inbound.body.replace(b"\r\n", b"\n")),
    ):
        if (
            body != inbound.body
            and verifier.vouch(replace(inbound, body=body), tree, now) is not None
        ):
            return (f"it is right for the body {told}: save the body as it came, byte by byte",)
    return ()


def _of_scheme(
    check: SignatureCheck, secrets: Sequence[str], inbound: Inbound, tree: object, now: datetime
) -> tuple[str, ...]:
    """Try what else `verify` might say; the time of signing is not held against it."""
    if check.algorithm == "ed25519":
        return ()
    scheme = scheme_of(check)
    sent = _sent(check, inbound, tree).strip()
    texts = [scheme.signed, *(text for text in _SIGNED if _possible(text, scheme))]
    prefixes = [scheme.prefix, *re.findall(r"^[A-Za-z0-9]{1,10}[=,]", sent), ""]
    for signed, key, algorithm, encoding, prefix in product(
        dict.fromkeys(texts),
        dict.fromkeys((scheme.key, *get_args(KeyRecipe))),
        dict.fromkeys((scheme.algorithm, "sha256", "sha1", "sha512")),
        dict.fromkeys((scheme.encoding, *get_args(Encoding))),
        dict.fromkeys(prefixes),
    ):
        other = replace(
            scheme,
            signed=signed,
            key=key,
            algorithm=algorithm,
            encoding=encoding,
            prefix=prefix,
        )
        if _signed_as(other, secrets, inbound, tree, now):
            changed = [
                f"{name}: {getattr(other, name)!r}"
                for name in ("signed", "key", "algorithm", "encoding", "prefix")
                if getattr(other, name) != getattr(scheme, name)
            ]
            return (f"it would be right with {', '.join(changed)}",) if changed else ()
    return ()


def _possible(signed: str, scheme: Scheme) -> bool:
    """Tell whether the texts of a template are among those that this scheme names."""
    return (scheme.is_timed or "{timestamp}" not in signed) and (
        bool(scheme.id_header) or "{id}" not in signed
    )


def _signed_as(
    scheme: Scheme, secrets: Sequence[str], inbound: Inbound, tree: object, now: datetime
) -> bool:
    untimed = replace(scheme, tolerance=timedelta.max)
    for secret in secrets:
        try:
            key = checking_key_of(untimed, secret)
        except ValueError:
            continue
        if checker(untimed, [key])(inbound, tree, now) is not None:
            return True
    return False
