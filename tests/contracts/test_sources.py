"""Every shipped preset, on requests as its tool sends them: authentic, decoded, as golden."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import orjson
import pytest
import yaml

from services.ingest.catalogue import PRESETS, Source, decoder_of, laid_over_preset
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.receive.inbound import SentHeaders
from services.ingest.settings import SourcesFile
from services.ingest.told import Outcome, Translated
from services.ingest.verify.settings import SignatureCheck
from tests.builders.captures import (
    FOLDER,
    NOW,
    Capture,
    captures,
    outcomes,
    source_of,
    written,
)

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "deploy" / "config" / "sources.yaml"
PRESET_NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))
FOLDERS = sorted(path.parent for path in FOLDER.glob("*/source.yaml"))


@cache
def loaded(folder: Path) -> Source:
    """Load a source once for all its requests."""
    return source_of(folder)


ALL = [(folder, capture) for folder in FOLDERS for capture in captures(folder)]
SIGNED = [case for case in ALL if isinstance(loaded(case[0]).entry.verify, SignatureCheck)]


def each(cases: list[tuple[Path, Capture]]) -> pytest.MarkDecorator:
    """Run a test for each captured request."""
    return pytest.mark.parametrize(
        ("folder", "capture"),
        [pytest.param(f, c, id=f"{f.name}/{c.name}") for f, c in cases],
    )


def taken(source: Source, capture: Capture, later: timedelta = timedelta()) -> list[Outcome]:
    """Receive a request that must be authentic, this much after it was first sent."""
    found = outcomes(source, capture.sent(source, NOW + later), NOW + later)
    assert found is not None
    return found


@each(ALL)
def test_a_request_becomes_what_its_golden_file_says(folder: Path, capture: Capture) -> None:
    """Authentic, decoded and mapped: the event to its last field, or the reason for none."""
    golden = orjson.loads((folder / f"{capture.name}.json").read_bytes())
    assert written(taken(loaded(folder), capture)) == golden


@each(ALL)
def test_a_request_sent_again_is_the_same_event(folder: Path, capture: Capture) -> None:
    """Nothing of an event's id comes from the clock at its receipt."""
    first = taken(loaded(folder), capture)
    again = taken(loaded(folder), capture, timedelta(minutes=95))
    assert ids(first) == ids(again)
    assert [type(one) for one in first] == [type(one) for one in again]


def ids(found: list[Outcome]) -> list[object]:
    """List the ids of the events."""
    return [one.told.event.id for one in found if isinstance(one, Translated)]


@each(ALL)
def test_a_stranger_is_refused(folder: Path, capture: Capture) -> None:
    """Whoever does not know the secret is told no, though all else is as it should be."""
    source = loaded(folder)
    sent = capture.sent(source, NOW, "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzLTMyYiE")
    assert outcomes(source, sent, NOW) is None


@each(SIGNED)
def test_a_signed_request_that_was_changed_is_refused(folder: Path, capture: Capture) -> None:
    """A figure changed, or the signature left out: neither is the platform's message."""
    source = loaded(folder)
    sent = capture.sent(source, NOW)
    place = max(sent.body.rfind(figure) for figure in b"0123456789")
    changed = sent.body[:place] + (b"8" if sent.body[place : place + 1] != b"8" else b"9")
    assert outcomes(source, replace(sent, body=changed + sent.body[place + 1 :]), NOW) is None
    bare = SentHeaders.of(dict(capture.headers))
    assert outcomes(source, replace(sent, headers=bare, body=capture.body), NOW) is None


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_a_preset_has_requests_a_page_and_an_example(preset: str) -> None:
    """Nothing ships untried or untold: captured requests, a page of docs, an entry to copy."""
    assert list((FOLDER / preset).glob("*.http"))
    assert loaded(FOLDER / preset).entry.preset == preset
    assert (ROOT / "docs" / "sources" / f"{preset}.md").is_file()
    assert preset in {entry.preset for entry in examples().sources.values()}


def examples() -> SourcesFile:
    """Take the commented reference with the entries between its two marks uncommented."""
    text = REFERENCE.read_text(encoding="utf-8")
    before, _, rest = text.partition("  # --- examples ---\n")
    block, mark, _ = rest.partition("  # --- end of the examples ---\n")
    assert mark
    lines = ["  " + line[4:] for line in block.splitlines() if line.startswith("  # ")]
    return SourcesFile.model_validate(yaml.safe_load("\n".join([before, *lines])))


@pytest.mark.parametrize("name", sorted(examples().sources))
def test_an_example_of_the_reference_works_uncommented(name: str) -> None:
    """It compiles as it stands, and has secrets or says that there are none."""
    entry = laid_over_preset(examples().sources[name])
    assert compile_mapping(name, entry).kinds
    assert decoder_of(entry, 1 << 20).name == entry.decoder
    assert entry.verify is not None
    assert entry.secrets


DOCUMENTED = sorted((ROOT / "docs" / "sources").glob("*.md"))


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in DOCUMENTED])
def test_every_entry_of_a_page_of_the_docs_works(page: Path) -> None:
    """What a page shows as YAML can be copied: over its preset it compiles."""
    shown = [part.split("```")[0] for part in page.read_text("utf-8").split("```yaml\n")[1:]]
    for text in shown:
        for name, entry in SourcesFile(sources=yaml.safe_load(text)).sources.items():
            complete = laid_over_preset(entry)
            assert compile_mapping(name, complete).kinds
            assert complete.verify is not None


def test_the_script_for_google_forms_signs_as_its_preset_verifies() -> None:
    """The names in the script are those that the preset reads."""
    script = (ROOT / "deploy" / "google-forms" / "Code.gs").read_text(encoding="utf-8")
    entry = loaded(FOLDER / "google_forms").entry
    assert isinstance(entry.verify, SignatureCheck)
    assert entry.verify.signed == "{timestamp}.{body}"
    for name in (entry.verify.header, entry.verify.timestamp_header, entry.verify.prefix):
        assert f"'{name}" in script
    for field in ("event", "form_id", "response_id", "submitted_at", "respondent_email", "answers"):
        assert f"{field}:" in script


@pytest.mark.parametrize("folder", [pytest.param(folder, id=folder.name) for folder in FOLDERS])
def test_every_kind_of_message_is_among_the_captured_ones(folder: Path) -> None:
    """No rule of a preset ships that no request has been through."""
    source, reached = loaded(folder), set[int]()
    for capture in captures(folder):
        sent = capture.sent(source, NOW)
        for payload in source.decoder.split(source.decoder.read(sent), sent):
            if any(test.holds(payload) for test, _ in source.mapping.ignore):
                continue
            fits = (all(test.holds(payload) for test in kind.when) for kind in source.mapping.kinds)
            reached |= {place for place, fit in enumerate(fits) if fit}
    assert reached == set(range(len(source.mapping.kinds)))
