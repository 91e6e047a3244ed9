"""What is read from sums: segments, moves, churn, objectives, the loop, the rows behind them."""

from uuid import UUID

import pytest

from services.segmenter.figures.churn import Churn, churn
from services.segmenter.figures.distribution import counts_of, distribution, scores_of
from services.segmenter.figures.loop import Cases, Contacts, Recovery, hours, recovery
from services.segmenter.figures.moves import moves
from services.segmenter.figures.nps import Counts
from services.segmenter.figures.objectives import distances, objective_of
from services.segmenter.figures.rows import changed_answers
from services.segmenter.policy.bands import Bands
from services.segmenter.policy.objectives import Objective
from services.segmenter.profile.profile import step
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Changes, Customer, Decision
from shared.events.envelope import Event
from tests.builders.facts import NOON, answered, fact, shipped_policy, updated

PLAIN = shipped_policy().value.bands
#: Bands that somebody moved: an 8 is a promoter.
GENEROUS = Bands.model_validate(
    {
        "nps": [
            {"segment": "detractor", "first": 0, "last": 5},
            {"segment": "passive", "first": 6, "last": 7},
            {"segment": "promoter", "first": 8, "last": 10},
        ]
    }
)
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("bands", "counts"),
    [
        pytest.param(PLAIN, Counts(10, 3, 4), id="plain"),
        pytest.param(GENEROUS, Counts(7, 4, 6), id="moved"),
    ],
)
def test_scores_become_segments_by_the_bands_of_today(bands: Bands, counts: Counts) -> None:
    """Nothing stored depends on the policy, so old answers follow a new one."""
    found = {0: 7, 6: 3, 7: 1, 8: 2, 9: 3, 10: 1}
    assert counts_of(found, bands) == counts


def test_every_score_has_its_place() -> None:
    """Also one that nobody gave; and each segment knows its scores."""
    assert distribution({0: 2, 10: 5}) == (2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5)
    assert scores_of("detractor", PLAIN) == [0, 1, 2, 3, 4, 5, 6]


def test_moves_are_between_segments() -> None:
    """From 0 to 6 nothing moved; the first answer of somebody is no move."""
    told = moves([(None, 9, 4), (0, 6, 3), (6, 7, 2), (9, 8, 1), (10, 0, 5)], PLAIN)
    assert (told.first, told.same, told.up, told.down) == (4, 3, 2, 6)
    assert told.table == {
        ("detractor", "detractor"): 3,
        ("detractor", "passive"): 2,
        ("promoter", "passive"): 1,
        ("promoter", "detractor"): 5,
    }


def test_churn_is_a_share_of_each_segment() -> None:
    """A segment that nobody answered has no share."""
    told = churn([(3, 10, 4), (6, 10, 1), (9, 30, 3)], PLAIN)
    assert told == {
        "detractor": Churn(20, 5),
        "passive": Churn(0, 0),
        "promoter": Churn(30, 3),
    }
    assert [told[name].share for name in ("detractor", "passive", "promoter")] == [25, None, 10]


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        pytest.param(None, [], id="none"),
        pytest.param(Objective(nps=20), [("nps", 10.0, True)], id="score reached"),
        pytest.param(Objective(nps=30.5), [("nps", -0.5, False)], id="score missed"),
        pytest.param(
            Objective(shares={"promoter": 60, "detractor": 15, "passive": 30}),
            [("promoter", -10.0, False), ("detractor", -5.0, False), ("passive", 0.0, True)],
            id="shares",
        ),
    ],
)
def test_the_distance_to_an_objective_is_below_zero_until_it_is_met(
    objective: Objective | None, told: list[tuple[str, float, bool]]
) -> None:
    """Of promoters at least so many, of the others at most."""
    found = distances(Counts(20, 30, 50), objective)
    assert [(one.name, one.distance, one.reached) for one in found] == told
    assert distances(Counts(), objective) == ()


def test_a_survey_has_its_own_objective_or_the_common_one() -> None:
    """Asked without a survey, the common one counts."""
    own, common = Objective(survey="claim", nps=5), Objective(nps=40)
    assert objective_of((own, common), "claim") == own
    assert objective_of((own, common), "nps") == common
    assert objective_of((own, common), None) == common
    assert objective_of((own,), "nps") is None


def test_recovery_counts_silence_against_it_and_leaves_out_who_has_time() -> None:
    """A passive recovered, too."""
    told = recovery(
        [(9, False, 2), (7, True, 1), (3, False, 4), (None, False, 3), (None, True, 9)], PLAIN
    )
    assert told == Recovery(recovered=3, still_detractor=4, silent=3, pending=9)
    assert told.share == 30
    assert Recovery(pending=4).share is None


def test_shares_of_the_loop_are_none_of_nothing() -> None:
    """No detractor, no case: nothing to be proud of."""
    assert Contacts(0, 0, None, None).share is None
    assert Contacts(8, 2, 1.5, 3.0).share == 25
    assert (Cases(0, 0, None).share, Cases(4, 3, 5.0).share) == (None, 75)
    assert (hours(None), hours(5400)) == (None, 1.5)


def changes_of(*told: Event, customer: UUID = ONE, note: str | None = None) -> Changes:
    """What a batch about one customer changes."""
    changes, profile = Changes(merged_at=NOON), Profile()
    for one in map(fact, told):
        after = step(profile, one)
        assert after is not None
        profile = after
        changes.facts.append((ONE, one))
        changes.decisions.append(
            Decision(one.event_id, one.event_id, customer, 1, one.kind, NOON, None, note)
        )
    changes.customers[customer] = Customer(customer, NOON, 1, profile)
    return changes


def test_a_batch_writes_each_response_once_as_it_is_after_it() -> None:
    """Three messages about two responses, and an update about none."""
    changes = changes_of(
        answered("r2", 3, revision=1),
        answered("r1", 7),
        answered("r2", 9, revision=2),
        updated(),
    )
    found = changed_answers(changes)
    assert [(row.response_id, row.score) for row in found] == [("r1", 7), ("r2", 9)]


def test_a_response_is_found_at_the_survivor_of_a_merge_in_the_batch() -> None:
    """The row keeps the owner before any alias, so that an undoing finds it."""
    changes = changes_of(answered("r1", 7))
    changes.customers[TWO] = Customer(TWO, NOON, 1, changes.customers[ONE].profile)
    changes.customers[ONE] = Customer(ONE, NOON, 1, Profile())
    changes.aliases.append((ONE, TWO, UUID(int=9)))
    (row,) = changed_answers(changes)
    assert (row.customer_id, row.score) == (ONE, 7)


def test_an_earlier_copy_that_changed_nothing_writes_nothing() -> None:
    """Its receipt is put right in the facts alone."""
    changes = changes_of(answered("r1", 7))
    changes.decisions.clear()
    assert changed_answers(changes) == []


def test_a_response_that_was_erased_in_the_batch_writes_nothing() -> None:
    """What is gone is not counted again."""
    changes = changes_of(answered("r1", 7))
    changes.customers[ONE] = Customer(ONE, NOON, 2, Profile())
    assert changed_answers(changes) == []
    changes.customers.clear()
    assert changed_answers(changes) == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param({"comment": "Bien"}, {}, id="her own words"),
        pytest.param({"city": "Lyon"}, {"city": "Lyon"}, id="a short answer"),
        pytest.param({"city": "x" * 65}, {}, id="a long one"),
        pytest.param({"reasons": ["prix", "sav"]}, {"reasons": ["prix", "sav"]}, id="a list"),
        pytest.param({"reasons": ["prix", "y" * 65]}, {}, id="a list with a long one"),
        pytest.param({"vip": True, "age": 41}, {"vip": True, "age": 41}, id="no texts"),
        pytest.param({"city": None}, {}, id="cleared"),
    ],
)
def test_only_answers_that_many_can_give_are_kept_for_counting(
    said: dict[str, object], kept: dict[str, object]
) -> None:
    """A text of her own stays in the profile and in the facts."""
    (row,) = changed_answers(changes_of(answered("r1", **said)))  # type: ignore[arg-type]
    assert row.said == kept
