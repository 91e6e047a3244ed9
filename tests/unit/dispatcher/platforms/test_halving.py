"""Who is asked for next where several pushes share requests, and what is believed of whom."""

from collections.abc import Callable, Sequence

import pytest

from services.dispatcher.calls.calls import Outcome, Partly, Verdict
from services.dispatcher.platforms.halving import Halving
from services.dispatcher.platforms.together import Member
from tests.builders.platforms import PUSH

OK = Verdict("ok", "HTTP 200")


def group(*places: int) -> list[Member]:
    """Make a group of pushes by their places."""
    return [Member(place, PUSH) for place in places]


def places(members: Sequence[Member]) -> list[int]:
    """Tell who is in a group."""
    return [one.place for one in members]


def asked(halving: Halving, platform: Callable[[list[int]], Verdict]) -> list[list[int]]:
    """Ask a platform until nobody is left; returns who was in each request."""
    requests = []
    while following := halving.following():
        requests.append(places(following))
        halving.heard(following, platform(places(following)))
    return requests


def refusing(*bad: int, outcome: Outcome = "reject") -> Callable[[list[int]], Verdict]:
    """Make a platform that refuses every request with one of these in it."""
    return lambda who: Verdict(outcome, "no") if set(bad) & set(who) else OK


@pytest.mark.parametrize("outcome", ["reject", "park", "suppressed"])
def test_who_is_refused_is_found_by_halves(outcome: Outcome) -> None:
    """The others are taken on the way, in their order; nobody is asked for twice in vain."""
    halving = Halving([group(0, 1, 2, 3, 4)])
    assert asked(halving, refusing(3, outcome=outcome)) == [
        [0, 1, 2, 3, 4],
        [0, 1],
        [2, 3, 4],
        [2],
        [3, 4],
        [3],
        [4],
    ]
    assert [v.outcome for v in halving.verdicts(5)] == ["ok", "ok", "ok", outcome, "ok"]


@pytest.mark.parametrize("outcome", ["retry", "in_doubt"])
def test_what_says_nothing_of_a_customer_holds_for_the_group(outcome: Outcome) -> None:
    """An outage has no halves; the next group is asked for all the same."""
    halving = Halving([group(0, 1), group(2)])
    assert asked(halving, refusing(0, outcome=outcome)) == [[0, 1], [2]]
    assert [v.outcome for v in halving.verdicts(3)] == [outcome, outcome, "ok"]


@pytest.mark.parametrize("outcome", ["throttle", "disable_target"])
def test_what_is_said_of_the_target_ends_it_for_all(outcome: Outcome) -> None:
    """Whoever was taken before stays taken."""
    halving = Halving([group(0), group(1, 2), group(3)])
    assert asked(halving, refusing(1, outcome=outcome)) == [[0], [1, 2]]
    assert [v.outcome for v in halving.verdicts(4)] == ["ok", outcome, outcome, outcome]


def test_who_is_named_fails_alone() -> None:
    """By the place in the request, which is not that among all pushes."""
    halving = Halving([group(0), group(1, 2, 3)])
    named = Partly("ok", "HTTP 207", own={1: Verdict("reject", "refused")})
    assert asked(halving, lambda who: named if len(who) > 1 else OK) == [[0], [1, 2, 3]]
    assert [v.outcome for v in halving.verdicts(4)] == ["ok", "ok", "reject", "ok"]


@pytest.mark.parametrize("count", [2, 3, 50, 1000])
def test_the_requests_of_one_call_are_bounded(count: int) -> None:
    """Where all are poisonous some are found, and the rest has its turn another time."""
    halving = Halving([group(*range(count))])
    requests = asked(halving, refusing(*range(count)))
    assert len(requests) == min(2 * count - 1, 32)
    alone = [who for who in requests if len(who) == 1]
    outcomes = [v.outcome for v in halving.verdicts(count)]
    assert outcomes.count("reject") == len(alone) > 0
    assert outcomes.count("retry") == count - len(alone)
