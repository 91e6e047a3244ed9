"""The page on sources shows entries that load, and read the messages that it shows."""

import base64
import hmac
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from services.ingest.catalogue import decoder_of
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourcesFile
from services.ingest.told import Translated
from services.ingest.translate import translate
from services.ingest.tryout.capture import inbound
from services.ingest.verify.verifier import compile_verifier
from shared.events.feedback import ResponseReceived

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "sources" / "README.md").read_text(
    encoding="utf-8"
)
NOW = datetime.fromtimestamp(1795316402, UTC)
SECRET = "a-secret-of-the-tool"


def blocks(language: str) -> list[str]:
    """Take the blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def entries(block: int) -> SourcesFile:
    """Load what a block shows, as it stands below `sources:`."""
    return SourcesFile(sources=yaml.safe_load(blocks("yaml")[block]))


def translated(name: str, file: SourcesFile, request: Inbound) -> Translated:
    """Read one message by an entry of the page."""
    entry = file.sources[name]
    decoder = decoder_of(entry, 1 << 20)
    (payload,) = decoder.split(decoder.read(request), request)
    outcome = translate(compile_mapping(name, entry), payload, NOW)
    assert isinstance(outcome, Translated), outcome
    return outcome


def test_its_entry_reads_its_message() -> None:
    """Pairs, an address beside a name, numbers beside their scale, unix milliseconds."""
    file = entries(0)
    request = inbound(blocks("json")[0].encode(), [])
    data = translated("my-tool", file, request).told.event.data

    assert isinstance(data, ResponseReceived)
    assert (data.survey, data.response_id, data.complete) == ("after-purchase", "rp_9f2c", True)
    assert data.answers == {"score": 3, "comment": "Delivery took two weeks", "stars": 4.5}
    people = {one.value for one in data.identifiers if one.kind != "response"}
    assert people == {"ines.moreau@example.com", "C-88"}


@pytest.mark.parametrize("at", [1795316401, 1795310000])
def test_its_signature_holds_while_it_is_fresh(at: int) -> None:
    """As the page describes the header."""
    entry = entries(0).sources["my-tool"]
    body = blocks("json")[0].encode()
    mac = hmac.digest(SECRET.encode(), b"v1:%d:%s" % (at, body), "sha512")
    header = f"ts={at}|mac={base64.b64encode(mac).decode()}"
    verifier = compile_verifier(entry.verify, [SECRET], entry.allow_ips, entry.unsigned)

    request = inbound(body, [("X-Tool-Auth", header)])
    assert (verifier.vouch(request, None, NOW) is not None) == (at == 1795316401)


@pytest.mark.parametrize(
    ("name", "body", "type_"),
    [
        pytest.param(
            "help-desk",
            b'{"ticket": {"number": 7, "state": "done", "changed": 1795316000,'
            b' "requester": "ines.moreau@example.com"}}',
            "case.resolved",
            id="a case",
        ),
        pytest.param(
            "bounces",
            b'[{"class": "hard", "rcpt": "gone@example.com",'
            b' "when": "Sun, 22 Nov 2026 02:40:11 +0000"}]',
            "message.bounced",
            id="a bounce",
        ),
    ],
)
def test_its_other_entries_read_what_is_no_answer(name: str, body: bytes, type_: str) -> None:
    """A help desk and a mail platform by a few lines each."""
    file = entries(1)

    assert translated(name, file, inbound(body, [])).told.event.type == type_
