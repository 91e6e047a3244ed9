"""Which licences the image's parts may have."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from deploy.tools.sbom import IN_WORDS, unwelcome

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.mark.parametrize(
    ("licences", "told"),
    [
        pytest.param([{"license": {"id": "MIT"}}], [], id="allowed"),
        pytest.param([{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}], [], id="all allowed"),
        pytest.param(
            [{"license": {"name": "License :: OSI Approved :: BSD License"}}],
            [],
            id="an older package's way to say it",
        ),
        pytest.param(
            [{"license": {"id": "AGPL-3.0-only"}}], ["some 1.0: AGPL-3.0-only"], id="not allowed"
        ),
        pytest.param(
            [{"license": {"id": "MIT"}}, {"license": {"id": "GPL-2.0-only"}}],
            ["some 1.0: MIT, GPL-2.0-only"],
            id="one of two is not",
        ),
        pytest.param(
            [{"license": {"name": "see the file"}}], ["some 1.0: see the file"], id="unreadable"
        ),
        pytest.param([], ["some 1.0: no licence declared"], id="none"),
    ],
)
def test_a_licence_is_welcome_or_named(licences: list[dict[str, Any]], told: list[str]) -> None:
    """`make sbom` fails with one line for each."""
    component = {"name": "some", "version": "1.0", "licenses": licences}

    assert unwelcome({"components": [component]}) == told


def test_what_is_declared_in_words_says_what_was_read() -> None:
    """Another release may have another licence; then somebody reads it again."""
    declared = {name: distribution(name).metadata["License"] for name in IN_WORDS}
    unread = {"name": "protobuf", "version": "1.0"}

    assert declared == {name: words for name, (words, _) in IN_WORDS.items()}
    assert unwelcome({"components": [unread]}) == []


def test_what_the_tests_run_on_is_what_the_image_holds() -> None:
    """Both lock files are resolved together; a change of one alone would test something else."""
    lock = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8")
    pins = [
        line.split(" ")[0] for line in lock.splitlines() if "==" in line[:60] and line[0] != " "
    ]

    assert len(pins) > 50
    for name, version in (pin.split("==") for pin in pins if not pin.startswith("colorama")):
        assert distribution(name).version == version, name
