"""Who stands for whom follows from what was told last of each, in whatever order it was heard."""

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.ledger.links import Link, roots
from tests.builders.decisions import NOW

A, B, C = (UUID(int=n) for n in (1, 2, 3))
ALL = (A, B, C)


def at(number: int) -> datetime:
    return NOW + timedelta(seconds=number)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        pytest.param([], (A, B, C), id="nobody merged"),
        pytest.param([Link(A, B, at(1))], (B, B, C), id="one into another"),
        pytest.param([Link(A, B, at(1)), Link(B, C, at(2))], (C, C, C), id="a chain"),
        pytest.param([Link(A, B, at(2)), Link(B, C, at(1))], (C, C, C), id="a chain, backwards"),
        pytest.param([Link(A, B, at(1)), Link(B, None, at(3))], (B, B, C), id="undone above"),
        pytest.param([Link(A, None, at(3)), Link(B, C, at(2))], (A, C, C), id="undone below"),
        pytest.param([Link(A, B, at(1)), Link(B, A, at(2))], (A, A, C), id="the oldest gives way"),
    ],
)
def test_each_has_one_who_stands_for_her(links: list[Link], expected: tuple[UUID, ...]) -> None:
    """Chains lead to their end, an undoing cuts them."""
    assert roots(ALL, links) == dict(zip(ALL, expected, strict=True))


@given(
    told=st.lists(
        st.tuples(
            st.sampled_from(ALL),
            st.sampled_from([*ALL, None]),
            st.integers(min_value=0, max_value=9),
        ),
        max_size=6,
        unique_by=lambda link: link[0],
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_links_in_any_order_end_the_same(
    told: list[tuple[UUID, UUID | None, int]], shuffle: Random
) -> None:
    """Also in a ring: and whoever stands for others stands for herself."""
    links = [Link(one, into, at(n)) for one, into, n in told if one != into]
    found = roots(ALL, links)
    turned = list(links)
    shuffle.shuffle(turned)
    assert roots(ALL, turned) == found
    assert all(found[root] == root for root in found.values())
