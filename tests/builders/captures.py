"""Captured requests of survey tools as files, and what this product makes of them.

In: a folder of `tests/contracts/sources`. Out: requests signed as the source's `verify` says, and
their outcomes as plain JSON. Run as a program it writes the golden files again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from services.ingest.catalogue import Source, load_catalogue
from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.told import Ignored, Outcome, Thin, Translated
from services.ingest.translate import translate
from services.ingest.verify.settings import SignatureCheck
from services.ingest.verify.signatures import key_of, sign
from services.ingest.verify.verifier import scheme_of
from shared.events import envelope
from shared.identifiers import AS_SAID
from shared.settings import Secrets

FOLDER = Path(__file__).resolve().parents[1] / "contracts" / "sources"
#: When every captured request arrives.
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
#: Invented; fits every recipe: base64 after `whsec_`, and letters that may stand in an address.
SECRET = "whsec_aW52ZW50ZWQtc2VjcmV0LW9mLXRoZS10ZXN0cy0zMmI"
_REFERENCE = "CAPTURED_SECRET"
_HOST = "https://nps.example.com"


@dataclass(frozen=True)
class Capture:
    """One request as the tool sends it: before it is signed, its texts may hold {secret}."""

    name: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def sent(self, source: Source, now: datetime, secret: str = SECRET) -> Inbound:
        """Make the request that arrives: with its token, or signed as `verify` says."""
        target = self.target.replace("{secret}", secret)
        headers = [(name, value.replace("{secret}", secret)) for name, value in self.headers]
        body = self.body.replace(b"{secret}", secret.encode())
        check = source.entry.verify
        if isinstance(check, SignatureCheck):
            scheme = scheme_of(check)
            tree = None
            if check.reads_fields:
                tree = source.decoder.read(self._inbound(target, headers, body))
            added = sign(
                scheme,
                key_of(secret, scheme.key),
                body,
                message_id="msg_invented",
                now=now,
                method=self.method,
                url=_HOST + target,
                tree=tree,
            )
            if scheme.field:
                body = body.replace(b"{signature}", added.pop(scheme.field).encode())
            headers += added.items()
        return self._inbound(target, headers, body)

    def _inbound(self, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> Inbound:
        path, _, query = target.partition("?")
        return Inbound(
            body=body,
            headers=SentHeaders([(n.lower().encode(), v.encode("latin-1")) for n, v in headers]),
            method=self.method,
            url=_HOST + target,
            rest="/".join(path.split("/")[4:]),
            query=query.encode(),
        )


def source_of(folder: Path) -> Source:
    """Load the source that a folder's requests are sent to: its `source.yaml`, as an entry."""
    name = folder.name.replace("_", "-")
    entry = (folder / "source.yaml").read_text(encoding="utf-8")
    with TemporaryDirectory() as place:
        path = Path(place) / "sources.yaml"
        lines = [f"    {line}" for line in entry.splitlines()]
        path.write_text("\n".join(["sources:", f"  {name}:", *lines, ""]), encoding="utf-8")
        return load_catalogue(path, Secrets({_REFERENCE: SECRET}), AS_SAID).sources[name]


def captures(folder: Path) -> Iterator[Capture]:
    """Read a folder's requests, in the order of their names."""
    for path in sorted(folder.glob("*.http")):
        yield _capture(path)


def _capture(path: Path) -> Capture:
    head, _, body = path.read_bytes().partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, target, _ = first.split(" ")
    headers = [line.partition(": ") for line in lines]
    # The last line's end is the file's, not the body's.
    body = body.removesuffix(b"\n")
    if b"\nContent-Type: multipart/" in head:
        # As HTTP wants it; the file has the line ends of text.
        body = body.replace(b"\n", b"\r\n")
    return Capture(path.stem, method, target, tuple((n, v) for n, _, v in headers), body)


def outcomes(source: Source, inbound: Inbound, now: datetime) -> list[Outcome] | None:
    """Verify, decode and translate, as the service does; None: not authentic."""
    tree = source.decoder.read(inbound) if source.verifier.reads_fields else None
    if source.verifier.vouch(inbound, tree, now) is None:
        return None
    tree = source.decoder.read(inbound)
    payloads = source.decoder.split(tree, inbound)
    return [translate(source.mapping, payload, now) for payload in payloads]


def written(found: Sequence[Outcome]) -> list[object]:
    """Put outcomes down as JSON: the event as it is published, or why there is none."""
    return [_written(one) for one in found]


def _written(one: Outcome) -> object:
    if isinstance(one, Translated):
        event: object = orjson.loads(envelope.encode(one.told.event))
        return {"event": event} | ({"unread": list(one.unread)} if one.unread else {})
    if isinstance(one, Ignored):
        return {"ignored": one.reason}
    if isinstance(one, Thin):
        return {
            "to fetch": {
                "survey": one.survey,
                "response_id": one.response_id,
                "occurred_at": one.occurred_at.isoformat(),
                "variables": dict(one.variables),
            }
        }
    return {"unmappable": {"path": one.path, "rule": one.rule}}


def write_golden() -> None:
    """Write beside every captured request what it becomes. Read the differences!"""
    for folder in sorted(path.parent for path in FOLDER.glob("*/source.yaml")):
        source = source_of(folder)
        for capture in captures(folder):
            found = outcomes(source, capture.sent(source, NOW), NOW)
            text = orjson.dumps(written(found or []), option=orjson.OPT_INDENT_2)
            (folder / f"{capture.name}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    write_golden()
