"""Knows whether a message is authentic, as the source's `verify:` says, compiled once at start.

In: settings and the texts of the secrets. Out: `Verifier`, or `MappingErrors` naming the keys at
fault. Pure.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from services.ingest.mapper.needs import Location, MappingErrors
from services.ingest.receive.inbound import Inbound
from services.ingest.verify.settings import SignatureCheck, TokenCheck
from services.ingest.verify.signature_check import Check, checker
from services.ingest.verify.signatures import Scheme, checking_key_of
from services.ingest.verify.tokens import token_checker, token_of

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Verifier:
    """One source's verifier. `check` None: the operator said `unsigned: true`.

    `networks`, where given, is a further condition on the sender's address as the server saw it;
    which proxies are believed about it is the server's matter.
    """

    check: Check | None
    reads_fields: bool = False
    networks: tuple[Network, ...] = ()

    def vouch(self, inbound: Inbound, tree: object, now: datetime) -> int | None:
        """Return the place of the secret that vouches for a message (0 the newest), or None.

        `tree` is the decoded body where `reads_fields`; JSON within its fields must still be text.
        """
        place = 0 if self.check is None else self.check(inbound, tree, now)
        if self.networks and not _within(self.networks, inbound.client):
            return None
        return place


def _refuse(inbound: Inbound, _tree: object, _now: datetime) -> int | None:
    hmac.digest(b"of nobody", inbound.body, "sha256")
    return None


#: For a source that does not exist: refuses at the price of a source that does.
NOBODY: Final = Verifier(_refuse)


def compile_verifier(
    check: SignatureCheck | TokenCheck | None,
    secrets: Sequence[str],
    allow_ips: Sequence[Network] = (),
    unsigned: bool = False,
) -> Verifier:
    """Compile one source's verifier; `secrets` are texts, the newest first.

    Raises `MappingErrors`: a source needs `verify` with a secret, or `unsigned: true`.
    """
    networks = tuple(allow_ips)
    if unsigned:
        if secrets:
            raise MappingErrors([(("unsigned",), "remove `secrets`, or remove `unsigned: true`")])
        return Verifier(None, networks=networks)
    if check is None:
        raise MappingErrors([(("verify",), "missing: say how it signs, or `unsigned: true`")])
    if not secrets:
        fix = "missing: give a reference such as env:NPS_SECRET_…, or `unsigned: true`"
        raise MappingErrors([(("secrets",), fix)])
    return Verifier(_compiled(check, secrets), check.reads_fields, networks)


def scheme_of(check: SignatureCheck) -> Scheme:
    """Take the configured signature check as the pure core knows it."""
    return Scheme(
        header=check.header or "",
        field=check.field or "",
        algorithm=check.algorithm,
        encoding=check.encoding,
        prefix=check.prefix,
        separator=check.separator,
        signed=check.signed,
        key=check.key,
        id_header=check.id_header or "",
        timestamp_header=check.timestamp_header or "",
        timestamp_field=check.timestamp_field or "",
        timestamp_prefix=check.timestamp_prefix or "",
        timestamp_unit=check.timestamp_unit,
        tolerance=timedelta(seconds=check.tolerance_s),
    )


def _compiled(check: SignatureCheck | TokenCheck, secrets: Sequence[str]) -> Check:
    if isinstance(check, TokenCheck):
        return token_checker(check, _keys(secrets, partial(token_of, check)))
    scheme = scheme_of(check)
    return checker(scheme, _keys(secrets, partial(checking_key_of, scheme)))


def _keys(secrets: Sequence[str], key_of: Callable[[str], bytes]) -> list[bytes]:
    keys: list[bytes] = []
    problems: list[tuple[Location, str]] = []
    for place, secret in enumerate(secrets):
        try:
            keys.append(key_of(secret))
        except ValueError as error:
            problems.append((("secrets", place), f"the secret {error}"))
    if problems:
        raise MappingErrors(problems)
    return keys


def _within(networks: Sequence[Network], client: str) -> bool:
    try:
        address = ip_address(client)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # A server that listens on both families sees IPv4 senders so.
        address = address.ipv4_mapped
    return any(address in network for network in networks)
