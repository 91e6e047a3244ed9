"""Sections statistics, objectives and alerts: what is wrong is refused with its fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.segmenter.policy.whole import Policy
from shared.errors import ConfigError
from shared.settings import load_yaml
from tests.builders.facts import SHIPPED, shipped_policy


def test_the_shipped_policy_watches_the_week_and_aims_at_nothing() -> None:
    """A number to aim at is the operator's own; the examples beside it are comments."""
    policy = shipped_policy().value
    assert policy.objectives == ()
    assert [(alert.name, alert.days, alert.by) for alert in policy.alerts] == [("weekly", 7, None)]
    assert (policy.statistics.minimum_n, policy.statistics.recovery_days) == (30, None)
    # As long as decisions pair an answer with the one before the case: 15 days and 60.
    assert policy.cases.paired == timedelta(days=75)


def test_the_commented_examples_are_right() -> None:
    """Who takes the comment signs away has objectives, alerts and digests that load."""
    text = SHIPPED.read_text(encoding="utf-8")
    section = text[text.index("objectives: []") :].partition("\n# ──")[0]
    marked = section.replace("objectives: []", "objectives:").replace("digests: []", "digests:")
    read = Policy.model_validate(
        {
            **shipped_policy().value.model_dump(by_alias=True),
            **_yaml(marked.replace("\n  # -", "\n  -").replace("\n  #   ", "\n    ")),
        }
    )
    assert read.objectives[0].nps == 40
    assert read.alerts[-1].by == "attribute:store"
    (digest,) = read.digests
    assert (digest.owner, digest.weekday, f"{digest.at:%H:%M}") == ("store", "monday", "08:00")


def _yaml(text: str) -> dict[str, object]:
    import yaml

    found: dict[str, object] = yaml.safe_load(text)
    return {name: found[name] for name in ("objectives", "alerts", "digests")}


@pytest.mark.parametrize(
    ("line", "instead", "fix"),
    [
        pytest.param("minimum_n: 30", "minimum_n: 1", "must be 2 or more", id="of one"),
        pytest.param("response_days: 30", "response_days: 0", "must be 1 or more", id="no time"),
        pytest.param(
            "objectives: []", "objectives: [{survey: nps}]", "give nps or shares", id="no aim"
        ),
        pytest.param(
            "objectives: []",
            "objectives: [{nps: 40}, {nps: 50}]",
            "the objective of survey null is given twice",
            id="two aims",
        ),
        pytest.param(
            "objectives: []", "objectives: [{shares: {promoter: 101}}]", "100", id="over 100 %"
        ),
        pytest.param("    by: null", "    by: store", "attribute|answer", id="by what"),
        pytest.param("    days: 7", "    days: 0", "must be 1 or more", id="no days"),
        pytest.param("  - name: weekly", "  - name: Every week", "a-z, 0-9", id="a name"),
    ],
)
def test_a_wrong_line_is_refused(tmp_path: Path, line: str, instead: str, fix: str) -> None:
    """With the fix in words."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert text.count(line) >= 1
    head, _, tail = text.rpartition(line)
    wrong = tmp_path / "policy.yaml"
    wrong.write_text(head + instead + tail, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_yaml(wrong, Policy)
    assert fix in str(refused.value)
