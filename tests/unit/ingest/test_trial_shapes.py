"""Trying and proposing hold for whatever is captured: the shipped presets' requests, and anything.

A tool for setting up must not stop at the very message that is odd.
"""

from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.catalogue import decoder_of
from services.ingest.decode.decoders import Undecodable
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourcesFile
from services.ingest.told import Outcome
from services.ingest.translate import translate
from services.ingest.tryout.suggest import suggest
from services.ingest.tryout.trial import Subject, Trial, tried
from tests.builders.captures import FOLDER, NOW, SECRET, Capture, captures, outcomes, source_of

CAPTURED = [
    pytest.param(folder, capture, id=f"{folder.name}/{capture.name}")
    for folder in sorted(path.parent for path in FOLDER.glob("*/source.yaml"))
    for capture in captures(folder)
]
SUBJECTS = cache(source_of)


@pytest.mark.parametrize(("folder", "capture"), CAPTURED)
def test_a_trial_says_what_the_service_does(folder: Any, capture: Capture) -> None:
    """Of each captured request of a shipped preset: signed, and the same outcomes."""
    source = SUBJECTS(folder)
    sent = capture.sent(source, NOW)
    secrets = (SECRET,) if source.entry.secrets else ()
    subject = Subject(source.entry, source.mapping, source.decoder, secrets)

    trial = tried(subject, sent, NOW, clock=lambda: 0.0, times=1)

    assert trial.signature.holds is True, trial.signature.why
    assert [message.outcome for message in trial.messages] == outcomes(source, sent, NOW)


@pytest.mark.parametrize(("folder", "capture"), CAPTURED)
def test_every_captured_request_gets_a_proposal_that_loads(folder: Any, capture: Capture) -> None:
    """Also tickets, orders and bounces: a start, if not a whole source."""
    request = capture.sent(SUBJECTS(folder), NOW)

    file = SourcesFile.model_validate(yaml.safe_load(suggest(request, "one").yaml))
    compile_mapping("one", file.sources["one"])


KEYS = st.sampled_from(
    [
        "id",
        "score",
        "email",
        "survey",
        "at",
        "a b",
        'q"',
        "x.y",
        "é",
        "",
        "key",
        "value",
        "0",
        "a:b",
    ]
) | st.text(max_size=6)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["c@example.com", "2026-11-20T10:00:00Z", "9", '{"a": 1}', "a sentence."])
    | st.text(max_size=20)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
@example('{"a": 1}')
@example({"a\x7f": {"": '["x"]'}})
def test_whatever_is_decodable_gets_a_proposal_that_loads_and_tries(tree: object) -> None:
    """Odd keys are quoted as the path language wants them; nothing else is raised."""
    request = Inbound(orjson.dumps(tree))
    try:
        proposal = suggest(request, "one")
    except Undecodable:
        return
    entry = SourcesFile.model_validate(yaml.safe_load(proposal.yaml)).sources["one"]
    decoder = decoder_of(entry, 1 << 20)
    mapping = compile_mapping("one", entry)
    subject = Subject(entry, mapping, decoder, None)

    trial: Trial = tried(subject, request, NOW, clock=lambda: 0.0, times=1)

    payloads = decoder.split(decoder.read(request), request)
    told: list[Outcome] = [translate(mapping, payload, NOW) for payload in payloads]
    assert [message.outcome for message in trial.messages] == told
