"""The policy file: the shipped one loads, a wrong one names file, line and fix."""

from pathlib import Path

import pytest

from services.segmenter.policy.whole import Policy
from services.segmenter.policy.zones import Zones
from shared.errors import ConfigError
from shared.settings import load_yaml
from tests.builders.facts import SHIPPED, shipped_policy


def test_the_shipped_policy_is_the_reference() -> None:
    """It loads, and has every class of contact and the five themes."""
    policy = shipped_policy().value
    assert set(policy.permits) == {"marketing", "survey", "service", "asked_for", "internal"}
    assert [theme.name for theme in policy.themes] == [
        "price",
        "delivery",
        "product",
        "service",
        "other",
    ]
    clocks = policy.clocks
    assert [(family.name, family.days) for family in clocks.families] == [
        ("transactional", 30),
        ("relational", 90),
    ]
    assert (clocks.any_survey.days, clocks.after_contact_days) == (30, 7)


def test_without_a_table_of_postal_codes_the_shipped_one_is_used() -> None:
    """Whoever wrote a policy before there was one has it, too."""
    shipped = shipped_policy().value.zones
    assert Zones(default="Europe/Paris").postal_codes == shipped.postal_codes


def test_the_shipped_budgets_are_those_of_the_practice() -> None:
    """Each with its limit, what it counts and its hours, all of them rolling and a person's own."""
    budgets = shipped_policy().value.budgets
    offers, every = ("marketing", "survey"), ("marketing", "survey", "service")
    assert [
        (one.name, one.limit, one.window.hours, one.channels, one.classes)
        for one in budgets
        if one.window.kind == "rolling" and one.scope == "person"
    ] == [
        ("email-16h", 1, 16, ("email",), offers),
        ("email-week", 3, 7 * 24, ("email",), offers),
        ("sms-24h", 1, 24, ("sms",), offers),
        ("calls-30d", 4, 30 * 24, ("call",), ("marketing",)),
        ("burst", 3, 1, None, every),
    ]
    assert len(budgets) == 5


@pytest.mark.parametrize(
    ("line", "instead", "where", "fix"),
    [
        pytest.param("limit: 1", "limit: 0", "budgets.0.limit", "0 would silently stop", id="0"),
        pytest.param("limit: 1", "limit: true", "budgets.0.limit", "whole number", id="a yes"),
        pytest.param(
            "first: 7,", "first: 6,", "bands", "exactly one band: 6 is in 2", id="overlapping bands"
        ),
        pytest.param(
            "first: 7, last: 8", "first: 8, last: 8", "bands", "7 is in 0", id="a score forgotten"
        ),
        pytest.param("default: Europe/Paris", "default: Paris", "zones.default", "IANA", id="zone"),
        pytest.param("    FR: E", "    fr: E", "zones.countries.fr.[key]", "capital", id="country"),
        pytest.param(
            '"974??": I', '"974*": I', "zones.postal_codes.FR.974*.[key]", "974??", id="a code"
        ),
        pytest.param(
            "any_survey:", "any_surveys:", "clocks.any_surveys", "unknown key", id="misspelt"
        ),
        pytest.param(
            "name: sms-24h", "name: email-16h", "budgets", "email-16h is given twice", id="twice"
        ),
        pytest.param("name: sms-24h", "name: SMS", "budgets.2.name", "a-z, 0-9", id="a name"),
        pytest.param(
            "    purpose: marketing\n", "", "permits.marketing", "name the purpose", id="purpose"
        ),
        pytest.param(
            "  internal:\n    channels: [email, chat, ticket]\n    basis: internal\n"
            "    consent: none\n",
            "",
            "permits",
            "add internal: a class without a permit reaches nobody",
            id="a class forgotten",
        ),
        pytest.param(
            "channels: [email, sms, call]\n",
            "channels: email\n",
            "permits.survey.channels",
            "must be a list",
            id="one where a list is meant",
        ),
        pytest.param(
            "kind: rolling, hours: 16",
            "kind: sliding, hours: 16",
            "budgets.0.window",
            "must be one of 'rolling', 'calendar'",
            id="a window of no kind",
        ),
        pytest.param("hours: 16", "hours: 0", "budgets.0.window.rolling.hours", "1", id="0 hours"),
        pytest.param(
            "      [prix, tarif,", "      ['=', tarif,", "themes.0.topics.0", "nothing", id="word"
        ),
        pytest.param(
            "[livraison, délai,",
            "[Prix, délai,",
            "themes",
            "declared reason prix is given twice",
            id="a reason of two themes",
        ),
    ],
)
def test_a_wrong_policy_ends_the_start(
    tmp_path: Path, line: str, instead: str, where: str, fix: str
) -> None:
    """The error names the file, the line, the key there and what to do."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert line in text
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(line, instead, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_yaml(path, Policy)
    file_and_line, key, said = str(refused.value).split(": ", 2)
    name, number = file_and_line.rsplit(":", 1)
    assert (name, key) == (str(path), where)
    assert fix in said
    last = [part for part in where.split(".") if not part.isdigit() and part != "[key]"][-1]
    told = path.read_text(encoding="utf-8").splitlines()[int(number) - 1]
    assert last in told or where.rsplit(".", maxsplit=1)[-1].isdigit()
