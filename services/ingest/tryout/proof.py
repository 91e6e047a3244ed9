"""How a captured message seems to be signed: the `verify` of a proposed source. Pure.

In: its headers and body. Out: YAML of `verify` and the reason. A guess: a signature that holds by
`nps source try` is the proof.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from services.ingest.receive.inbound import Inbound

_SIGNATURE: Final = re.compile(r"signature|hmac|digest|webhook-?hash", re.IGNORECASE)
_TOKEN: Final = re.compile(r"^authorization$|token|api-?key|secret", re.IGNORECASE)
_TIME: Final = re.compile(r"timestamp", re.IGNORECASE)
_PREFIX: Final = re.compile(r"[A-Za-z0-9-]{1,12}=(?=.{20})|v[0-9]+,")
#: A time, then a digest, each with its mark.
_MARKED: Final = re.compile(
    r"(?P<time>[A-Za-z]{1,12}=)[0-9]{10,13}(?P<separator>[,;|& ]) *"
    r"(?P<prefix>[A-Za-z][A-Za-z0-9]{0,11}=)(?P<bare>[0-9A-Za-z+/]{20,}=*)"
)
_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: A text in a query that nobody would type.
_SECRET: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9_-]{20,}")
_HEX: Final = {40: "sha1", 64: "sha256", 128: "sha512"}
_BASE64: Final = {28: "sha1", 44: "sha256", 88: "sha512"}


@dataclass(frozen=True, slots=True)
class Proof:
    """`verify` as one line of YAML, and why it is proposed."""

    verify: str
    reason: str


def proof_of(inbound: Inbound) -> Proof:
    """Guess from the headers; without any that tells, a secret in the address."""
    names = [name for name in inbound.headers.keys() if not name.startswith("ce-")]  # noqa: SIM118
    if {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(names):
        return Proof(
            '{header: webhook-signature, encoding: base64, prefix: "v1,", separator: " ", '
            'signed: "{id}.{timestamp}.{body}", key: whsec, id_header: webhook-id, '
            "timestamp_header: webhook-timestamp}",
            "Signed as Standard Webhooks say.",
        )
    for name in names:
        if _SIGNATURE.search(name) and not _TIME.search(name):
            return _signature(name, inbound.headers.get(name) or "", names)
    for name in names:
        # A header of another name that holds a time and a digest is a signature all the same.
        if name != "cookie" and _elements(inbound.headers.get(name) or "") is not None:
            return _signature(name, inbound.headers.get(name) or "", names)
    for name in names:
        if _TOKEN.search(name):
            basic = (inbound.headers.get(name) or "").lower().startswith("basic ")
            scheme = ", scheme: basic" if basic else ""
            return Proof(f"{{kind: token, header: {name}{scheme}}}", f"A secret text in {name}.")
    for name, value in parse_qsl(inbound.query.decode("latin-1")):
        if _BARE.fullmatch(name) and (_TOKEN.search(name) or _SECRET.fullmatch(value)):
            return Proof(f"{{kind: token, query: {name}}}", f"A secret text in the query: {name}.")
    return Proof(
        "{kind: token, path: true}",
        "No signature was seen: the secret stands in the address, /v1/webhooks/NAME/SECRET.",
    )


def _signature(name: str, value: str, names: list[str]) -> Proof:
    reason = f"Signed in {name} (a guess by its looks: `nps source try` tells whether it holds)."
    marked = _elements(value)
    if marked is not None:
        algorithm, encoding = _made_by(marked["bare"])
        return Proof(
            f"{{header: {name}, algorithm: {algorithm}, encoding: {encoding}, "
            f'separator: "{marked["separator"]}", prefix: "{marked["prefix"]}", '
            f'timestamp_prefix: "{marked["time"]}", signed: "{{timestamp}}.{{body}}"}}',
            reason,
        )
    found = _PREFIX.match(value)
    prefix = found[0] if found else ""
    bare = value.removeprefix(prefix).strip()
    algorithm, encoding = _made_by(bare)
    parts = [f"header: {name}", f"algorithm: {algorithm}", f"encoding: {encoding}"]
    if prefix:
        parts.append(f'prefix: "{prefix}"')
    time = next((one for one in names if _TIME.search(one)), None)
    if time is not None:
        parts += [f"timestamp_header: {time}", 'signed: "{timestamp}.{body}"']
    return Proof(f"{{{', '.join(parts)}}}", reason)


def _made_by(bare: str) -> tuple[str, str]:
    """Tell algorithm and encoding by the length and the letters of a signature."""
    in_hex = bool(re.fullmatch(r"[0-9a-fA-F]+", bare)) and len(bare) in _HEX
    algorithm = (_HEX if in_hex else _BASE64).get(len(bare), "sha256")
    return algorithm, "hex" if in_hex or len(bare) not in _BASE64 else "base64"


def _elements(value: str) -> re.Match[str] | None:
    """Find a time and a signature as elements of one header, such as t=…,v1=… or ts=…|mac=…"""
    return _MARKED.match(value)
