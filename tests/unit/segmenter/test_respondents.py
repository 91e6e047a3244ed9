"""Staff and test respondents: who counts as one, and by which rule."""

import pytest
from pydantic import ValidationError

from services.segmenter.policy.attributes import AttributeType
from services.segmenter.policy.respondents import Respondents
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.respondents import is_test, rule_for
from shared.events.envelope import Event
from tests.builders.facts import answered, day, fact, ids_of, shipped_policy, updated

RULES = {
    "domains": ["staff.example.com"],
    "attributes": {"tag": ["Test", True], "flagged": ["1"]},
    "external_ids": ["TEST-*", "QA?"],
}
POLICY = shipped_policy().value.model_copy(
    update={
        "test_respondents": Respondents.model_validate(RULES),
        "attributes": {
            "tag": AttributeType(type="text", also=("label",)),
            "flagged": AttributeType(type="flag"),
        },
    }
)


def mail(address: str) -> Event:
    return answered("r1", 9, email=address)


def number(external_id: str) -> Event:
    return updated(*ids_of(external_id=external_id))


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        pytest.param([mail("zoe@example.com")], None, id="a customer"),
        pytest.param([mail("zoe@staff.example.com")], "domain staff.example.com", id="staff"),
        pytest.param([mail("zoe@Lab.STAFF.example.com")], "domain staff.example.com", id="sub"),
        pytest.param([mail("zoe@mystaff.example.com")], None, id="another domain ending alike"),
        pytest.param([mail("staff.example.com@example.org")], None, id="before the @ is no domain"),
        pytest.param([number("TEST-17")], "customer number like TEST-*", id="a test number"),
        pytest.param([number("test-17")], None, id="numbers keep their case"),
        pytest.param([number("QA1")], "customer number like QA?", id="one character"),
        pytest.param([number("QA12")], None, id="one character more"),
        pytest.param([updated(attributes={"tag": "test"})], "attribute tag", id="a tag"),
        pytest.param(
            [updated(attributes={"tag": " TEST "})], "attribute tag", id="as people write"
        ),
        pytest.param([updated(attributes={"tag": True})], "attribute tag", id="a flag"),
        pytest.param([updated(attributes={"label": "test"})], "attribute tag", id="another name"),
        pytest.param(
            [updated(attributes={"label": "test"}), updated(at=day(1), attributes={"tag": "no"})],
            None,
            id="the newest word by any name",
        ),
        pytest.param([updated(attributes={"flagged": "oui"})], "attribute flagged", id="typed"),
        pytest.param([updated(attributes={"tag": ["test"]})], None, id="a list is no word"),
        pytest.param(
            [
                updated(attributes={"tag": "test"}),
                updated(at=day(1), attributes={"tag": None}),
            ],
            None,
            id="a tag taken away",
        ),
        pytest.param(
            [updated(*ids_of("zoe@example.com", "TEST-1"))],
            "customer number like TEST-*",
            id="one identifier of two is enough",
        ),
    ],
)
def test_who_is_a_test_respondent(told: list[Event], rule: str | None) -> None:
    """Any one rule is enough, and it is named without anything personal."""
    profile = rebuild(map(fact, told))
    assert rule_for(profile, POLICY) == rule
    assert is_test(profile, POLICY) == (rule is not None)


def test_the_shipped_policy_knows_a_tag_and_no_domain() -> None:
    """No customer of the demo is taken for staff; a hidden field of a survey marks a test."""
    policy = shipped_policy().value
    assert not is_test(rebuild([fact(mail("zoe@example.com"))]), policy)
    tagged = answered("r1", 9, attributes={"test_respondent": "yes"})
    assert rule_for(rebuild([fact(tagged)]), policy) == "attribute test_respondent"


@pytest.mark.parametrize(
    ("rules", "fix"),
    [
        pytest.param({"domains": ["@example.com"]}, "write the domain alone", id="an at sign"),
        pytest.param({"domains": ["*.example.com"]}, "no @, no *", id="a star"),
        pytest.param({"domains": ["com"]}, "write the domain alone", id="no domain"),
        pytest.param({"external_ids": ["*"]}, "everybody", id="everybody"),
        pytest.param({"external_ids": ["T[0-9]"]}, "only * and ?", id="a class of characters"),
        pytest.param({"attributes": {"tag": []}}, "at least 1", id="no value"),
    ],
)
def test_a_rule_that_means_nothing_or_everybody_is_refused(
    rules: dict[str, object], fix: str
) -> None:
    """The error names the fix."""
    with pytest.raises(ValidationError, match="(?s)" + fix.replace("*", r"\*").replace("?", r"\?")):
        Respondents.model_validate(rules)
