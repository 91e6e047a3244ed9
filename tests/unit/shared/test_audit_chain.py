"""What a chain of sealed rows shows of whoever touched it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.chain import (
    START,
    Head,
    Kept,
    canonical,
    check,
    fingerprint,
    key_of,
    moment,
    plain,
    seal,
)

KEY = key_of(b"made-up route key")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
details = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def sealed(before: Head, number: int, *, key: bytes = KEY, chain: str = "segmenter") -> Kept:
    """One row as a service writes it."""
    content: dict[str, Any] = {
        "seq": before.seq + 1,
        "at": moment(AT + timedelta(minutes=number)),
        "actor": "ops",
        "action": "customers.merged",
        "subject": f"customer {number}",
        "detail": {"number": number},
    }
    written = canonical(chain, **content)
    return Kept(**content, prev_hash=before.hash, hash=seal(key, before.hash, written))


def chain_of(count: int) -> list[Kept]:
    """Rows that hang together."""
    rows: list[Kept] = []
    for number in range(count):
        rows.append(sealed(Head(rows[-1].seq, rows[-1].hash) if rows else START, number))
    return rows


def swapped(rows: list[Kept]) -> list[Kept]:
    """The second and the third row, each in the other's place."""
    first, second, third, *others = rows
    return [first, replace(third, seq=2), replace(second, seq=3), *others]


def under_another_key(rows: list[Kept]) -> list[Kept]:
    """A row put in by somebody who knows how rows are written, and not the key."""
    first = rows[0]
    return [first, sealed(Head(1, first.hash), 7, key=b"guessed"), *rows[2:]]


def of_another_service(rows: list[Kept]) -> list[Kept]:
    """A row that was sealed for another service's record."""
    return [rows[0], sealed(Head(1, rows[0].hash), 1, chain="ingest"), *rows[2:]]


def test_an_untouched_chain_is_whole_page_by_page() -> None:
    """Also where a page begins in the middle of it."""
    rows = chain_of(5)
    end = Head(5, rows[4].hash)

    assert check(KEY, "segmenter", START, rows) == (end, None)
    assert check(KEY, "segmenter", Head(2, rows[1].hash), rows[2:]) == (end, None)


@pytest.mark.parametrize(
    ("touch", "seq"),
    [
        pytest.param(lambda r: [r[0], replace(r[1], actor="eve"), *r[2:]], 2, id="actor"),
        pytest.param(lambda r: [r[0], replace(r[1], at=moment(AT)), *r[2:]], 2, id="time"),
        pytest.param(lambda r: [r[0], replace(r[1], action="x"), *r[2:]], 2, id="action"),
        pytest.param(lambda r: [r[0], replace(r[1], subject="x"), *r[2:]], 2, id="subject"),
        pytest.param(lambda r: [r[0], replace(r[1], detail={}), *r[2:]], 2, id="detail"),
        pytest.param(lambda r: [r[0], replace(r[1], detail={"n": object()}), *r[2:]], 2, id="odd"),
        pytest.param(lambda r: [r[0], replace(r[1], hash="0" * 64), *r[2:]], 2, id="seal"),
        pytest.param(lambda r: [r[0], replace(r[1], hash="é"), *r[2:]], 2, id="no seal"),
        pytest.param(lambda r: [r[0], *r[2:]], 2, id="one left out"),
        pytest.param(lambda r: r[1:], 1, id="the first left out"),
        pytest.param(lambda r: [replace(r[0], seq=0), *r], 1, id="one before the first"),
        pytest.param(lambda r: [r[0], r[0], *r[1:]], 2, id="one twice"),
        pytest.param(swapped, 2, id="two in each other's place"),
        pytest.param(under_another_key, 2, id="put in"),
        pytest.param(of_another_service, 2, id="moved here"),
    ],
)
def test_the_first_touched_row_is_named(
    touch: Callable[[list[Kept]], list[Kept]], seq: int
) -> None:
    """And the last one that fits is the head up to which all is well."""
    rows = chain_of(4)
    head, broken = check(KEY, "segmenter", START, touch(rows))

    assert broken is not None
    assert (broken.seq, head.seq) == (seq, seq - 1)


@given(details, details)
def test_a_detail_is_written_in_one_way_whatever_its_order(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Read back from what is stored it is the same bytes; of another detail it never is."""

    def written(detail: dict[str, Any]) -> bytes:
        row = {"seq": 1, "at": moment(AT), "actor": "ops", "action": "x", "subject": "y"}
        return canonical("ingest", **row, detail=orjson.loads(plain(detail)))  # type: ignore[arg-type]

    turned = dict(reversed(one.items()))
    assert written(one) == written(turned)
    # By what they are as JSON: in Python True is 1.
    same = orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        other, option=orjson.OPT_SORT_KEYS
    )
    assert (written(one) == written(other)) is same


@pytest.mark.parametrize("detail", [{"n": 1.5}, {"n": [float("nan")]}, {"n": "a\0b"}, {"a\0": 1}])
def test_what_a_database_may_write_otherwise_is_not_taken(detail: dict[str, Any]) -> None:
    """It would break its own seal when it is read again."""
    with pytest.raises(TypeError):
        plain(detail)


def test_a_time_is_written_in_one_way_whatever_its_zone() -> None:
    """With microseconds, as PostgreSQL keeps them."""
    paris = AT.astimezone(timezone(timedelta(hours=1)))

    assert moment(paris) == moment(AT) == "2026-03-01T12:00:00.000000Z"


def test_a_fingerprint_shows_a_change_and_no_secret() -> None:
    """The same value under two references has two of them: nobody sees that they are equal."""
    one = fingerprint(KEY, "env:A", "hunter2")

    assert one == fingerprint(KEY, "env:A", "hunter2")
    others = {fingerprint(KEY, "env:A", "hunter3"), fingerprint(KEY, "env:B", "hunter2")}
    assert one not in others
    assert len(others) == 2
    assert "hunter" not in one
