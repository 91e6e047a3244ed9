"""The policy file: the shipped one loads, a wrong one names file, line and fix."""

from pathlib import Path

import pytest

from services.segmenter.policy import Policy
from shared.errors import ConfigError
from shared.settings import load_yaml
from tests.builders.facts import SHIPPED, shipped_policy


def test_the_shipped_policy_is_the_reference() -> None:
    """It loads, and has every class of contact, the four budgets and the five themes."""
    policy = shipped_policy().value
    assert set(policy.permits) == {"marketing", "survey", "service", "asked_for", "internal"}
    assert [budget.name for budget in policy.budgets] == [
        "email-16h",
        "email-week",
        "sms-24h",
        "burst",
    ]
    assert [theme.name for theme in policy.themes] == [
        "price",
        "delivery",
        "product",
        "service",
        "other",
    ]
    clocks = policy.clocks
    assert (clocks.relational_days, clocks.any_survey_days, clocks.after_contact_days) == (
        90,
        30,
        7,
    )


@pytest.mark.parametrize(
    ("line", "instead", "fix"),
    [
        pytest.param("    limit: 1", "    limit: 0", "0 would silently stop every message", id="0"),
        pytest.param("first: 7,", "first: 6,", "exactly once", id="overlapping bands"),
        pytest.param("default: Europe/Paris", "default: Paris", "IANA", id="no time zone"),
        pytest.param("  any_survey_days: 30", "  any_survey: 30", "unknown key", id="misspelt"),
        pytest.param("name: sms-24h", "name: email-16h", "rename one", id="a name twice"),
        pytest.param("    purpose: marketing\n", "", "name the purpose", id="whose consent"),
    ],
)
def test_a_wrong_policy_ends_the_start(tmp_path: Path, line: str, instead: str, fix: str) -> None:
    """The error names the file, a line and what to do."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert line in text
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(line, instead, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_yaml(path, Policy)
    assert fix in str(refused.value)
    assert str(refused.value).startswith(f"{path}:")
