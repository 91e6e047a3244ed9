"""Counting what happened, and naming what is not as expected."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from services.demo.data import Case, Post, Response
from services.demo.instance import Answer, Customer, Delivery
from services.demo.outcome import (
    Facts,
    case_differences,
    contact_differences,
    count,
    differences,
)
from services.demo.tables import show

EMAIL = "ada@example.com"
START = datetime(2026, 11, 21, 20, tzinfo=UTC)
ACCEPTED = Delivery("reassurance/price", "accepted", "", START + timedelta(seconds=1))
EARLIER = Delivery("reassurance/price", "accepted", "", START - timedelta(hours=1))
REFUSED = Delivery("discount/default", "suppressed", "no consent to marketing is known", START)


def case(*expect: str, answer: str = "accepted") -> Case:
    send = Response(id="r-1", source="shop", minutes_ago=5, score=3, language="en", email=EMAIL)
    post = Post.model_validate({"send": send, "answer": answer})
    return Case(
        name="one",
        title="One answer",
        posts=(post,),
        segment="detractor" if answer == "accepted" else None,
        expect=expect,
        why="Because.",
    )


def facts(*rows: Delivery, answer: Answer | None = None, known: bool = True) -> Facts:
    return Facts(
        answers={EMAIL: [answer or Answer("accepted")]},
        customers={EMAIL: Customer("5a0d6c9e", "detractor") if known else None},
        deliveries={EMAIL: rows},
        quarantined=frozenset({"q-1"}),
    )


def test_everything_is_counted() -> None:
    """Requests by answer, customers by segment, deliveries by action and state."""
    found = count(facts(ACCEPTED, ACCEPTED, REFUSED))
    assert found.posted == 1
    assert found.answers == {"accepted": 1}
    assert found.customers == {"detractor": 1}
    assert found.deliveries == {
        "discount/default: suppressed": 1,
        "reassurance/price: accepted": 2,
    }


@pytest.mark.parametrize(
    ("quarantine_id", "number"),
    [
        pytest.param("q-1", 1, id="listed by the API"),
        pytest.param("q-2", 0, id="not listed"),
        pytest.param(None, 0, id="not ours"),
    ],
)
def test_quarantine_counts_our_messages_that_the_api_lists(
    quarantine_id: str | None, number: int
) -> None:
    """Rows of others do not disturb the count."""
    assert count(facts(answer=Answer("quarantined", quarantine_id))).quarantine == number


def test_each_difference_is_named() -> None:
    """What is missing and what is too much both show."""
    wanted, found = count(facts(ACCEPTED)), count(facts(REFUSED))
    assert differences(wanted, wanted) == []
    assert differences(wanted, found) == [
        "deliveries, discount/default: suppressed: 1, expected 0",
        "deliveries, reassurance/price: accepted: 0, expected 1",
    ]


@pytest.mark.parametrize(
    ("wanted", "seen", "line"),
    [
        pytest.param(case("reassurance/price: accepted"), facts(ACCEPTED), None, id="as expected"),
        pytest.param(
            case("reassurance/price: accepted"),
            facts(),
            "one: deliveries [], expected ['reassurance/price: accepted']",
            id="a delivery is missing",
        ),
        pytest.param(
            case(answer="401"),
            facts(answer=Answer("401")),
            "one: a customer was made",
            id="a forged answer left a trace",
        ),
        pytest.param(
            case(), facts(known=False), "one: no customer was made", id="a customer is missing"
        ),
        pytest.param(
            case(),
            facts(answer=Answer("401")),
            "one: answers ['401'], expected ['accepted']",
            id="another answer",
        ),
    ],
)
def test_a_special_case_is_compared_with_what_must_come_of_it(
    wanted: Case, seen: Facts, line: str | None
) -> None:
    """Answers, customer, segment and deliveries."""
    assert case_differences(wanted, seen) == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("rows", "first", "effects", "lines"),
    [
        pytest.param([ACCEPTED], True, ["d-1"], [], id="first run: everything is new"),
        pytest.param([EARLIER], False, [], [], id="later run: nothing is new"),
        pytest.param([EARLIER], False, ["d-1"], [], id="what an earlier run planned arrives now"),
        pytest.param(
            [ACCEPTED],
            False,
            ["d-1"],
            ["contacts planned by this run: 1, expected 0"],
            id="a later run added a contact",
        ),
        pytest.param([EARLIER, ACCEPTED], None, ["d-1"], [], id="after a run broken off"),
        pytest.param(
            [ACCEPTED],
            True,
            ["d-1", "d-1"],
            ["actions done twice: 1, expected 0"],
            id="the sandbox did one delivery twice",
        ),
    ],
)
def test_a_later_run_may_add_no_contact_and_no_run_may_double_one(
    rows: list[Delivery], first: bool | None, effects: list[str], lines: list[str]
) -> None:
    """The first run plans all contacts, later ones none."""
    accepted = len(rows)
    seen = facts(*rows)
    assert contact_differences(seen, effects, since=START, first=first, accepted=accepted) == lines


def test_a_customer_is_settled_when_nothing_is_under_way() -> None:
    """Without a delivery there is still something to wait for."""
    assert facts(ACCEPTED, REFUSED).settled(EMAIL)
    assert not facts(ACCEPTED, Delivery("discount/default", "sending", "", START)).settled(EMAIL)
    assert not facts().settled(EMAIL)


def test_the_tables_tell_what_happened_and_why() -> None:
    """Reasons and differences are readable without knowing the product's words."""
    seen = facts(ACCEPTED, REFUSED)
    console = Console(file=io.StringIO(), width=160)
    special = [case("reassurance/price: accepted")]
    show(
        console,
        seen,
        special,
        count(seen),
        ["posted: 1, expected 2"],
        added=1,
        base_url="http://127.0.0.1:8080",
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "detractor reassured, variant price: accepted" in text
    assert "no consent to marketing is known" in text
    assert "One answer (not as expected)" in text
    assert "posted: 1, expected 2" in text
    assert "http://127.0.0.1:8080/sandbox" in text
