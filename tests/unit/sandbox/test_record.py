"""What the sandbox remembers, also after a restart."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.sandbox.entries import ActionCall, ErasureCall
from services.sandbox.journal import Journal
from services.sandbox.record import Record
from services.sandbox.switches import Switch

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def action(number: int) -> ActionCall:
    return ActionCall(
        customer=f"c-{number}",
        email=f"customer{number}@example.com",
        delivery_id=f"d-{number}",
        play="reassure",
        action="message",
    )


@contextmanager
def opened(file: Path | None) -> Iterator[Record]:
    record = Record(Journal(file), lambda: NOW)
    yield record
    record.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sandbox.jsonl"


def test_a_restart_forgets_no_key(file: Path) -> None:
    """A record opened on the same file knows what took effect."""
    with opened(file) as record:
        record.receive("main", action(1), "d-1")
    with opened(file) as record:
        entry, _ = record.receive("main", action(1), "d-1")
    assert entry.repeat
    assert not entry.effect


def test_a_refused_call_leaves_its_key_unknown(file: Path) -> None:
    """What did nothing is done when it comes again."""
    with opened(file) as record:
        record.turn("main", Switch(mode="503", next=1))
        record.receive("main", action(1), "d-1")
    with opened(file) as record:
        entry, _ = record.receive("main", action(1), "d-1")
    assert (entry.repeat, entry.effect) == (False, True)


def test_an_erasure_empties_what_one_account_got_about_her_and_nobody_else(file: Path) -> None:
    """By her id or her address, also in the file; keys stay, so no action is done twice."""
    with opened(file) as record:
        for number in (1, 2):
            record.receive("main", action(number), f"d-{number}")
        other_id = action(1).model_copy(
            update={"customer": "c-9", "email": "Customer1@Example.com"}
        )
        record.receive("main", other_id, "d-9")
        record.receive("unkeyed", action(1), None)
        asked, _ = record.receive(
            "main", ErasureCall(customer="c-1", email="customer1@example.com"), None
        )
    assert asked.call == {"customer": "c-1"}
    assert asked.status == 200
    assert file.read_text().count("customer1@example.com") == 1  # the other account's
    with opened(file) as record:
        calls = [entry.call.get("customer") for entry in record.view().entries]
        again, _ = record.receive("main", action(1), "d-1")
    assert calls == ["c-1", "c-1", None, "c-2", None]
    assert not again.effect


def test_a_refused_erasure_forgets_nobody(file: Path) -> None:
    """The platform that is away keeps what it has."""
    with opened(file) as record:
        record.receive("main", action(1), "d-1")
        record.turn("main", Switch(mode="503", on="erasure"))
        record.receive("main", ErasureCall(customer="c-1"), None)
        assert record.view().entries[-1].call["email"] == "customer1@example.com"
        assert record.view().counters["main"].erasures == 0


def test_a_line_cut_short_by_a_kill_costs_only_itself(file: Path) -> None:
    """The lines before it are known, and the next line does not stick to it."""
    with opened(file) as record:
        record.receive("main", action(1), "d-1")
    with file.open("ab") as stream:
        stream.write(b'{"number": 2, "at": "2026-11-21T20:0')
    with opened(file) as record:
        record.receive("main", action(2), "d-2")
    with opened(file) as record:
        assert [e.key for e in record.view().entries] == ["d-2", "d-1"]


def test_old_entries_lose_their_content_and_keep_their_key(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the shown entries keep customer and e-mail on disk; counters and keys stay."""
    with opened(file) as record:
        for number in range(5):
            record.receive("main", action(number), f"d-{number}")
    monkeypatch.setattr("services.sandbox.record.LONGEST", 2)
    with opened(file) as record:
        assert "customer0@example.com" not in file.read_text()
        assert "customer4@example.com" in file.read_text()
        assert record.view().counters["main"].actions == 5
        assert len(record.view().entries) == 2
        assert record.receive("main", action(0), "d-0")[0].repeat


def test_the_file_is_for_its_owner_only(file: Path) -> None:
    """It holds e-mail addresses."""
    with opened(file):
        assert file.stat().st_mode & 0o077 == 0


def test_clearing_forgets_entries_counters_and_keys(file: Path) -> None:
    """After it, the same key is new, in this process and the next."""
    with opened(file) as record:
        record.receive("main", action(1), "d-1")
        record.clear()
        assert record.view().entries == []
        assert record.view().counters["main"].actions == 0
        assert not record.receive("main", action(1), "d-1")[0].repeat
        record.clear()
    with opened(file) as record:
        assert not record.receive("main", action(1), "d-1")[0].repeat


def test_a_view_holds_one_account_and_what_is_newer() -> None:
    """Watchers ask for one account, or for what came after what they have."""
    with opened(None) as record:
        record.receive("main", action(1), "d-1")
        record.receive("unkeyed", action(2), "d-2")
        record.receive("main", action(3), "d-3")
        assert [e.number for e in record.view().entries] == [3, 2, 1]
        assert [e.number for e in record.view(account="main").entries] == [3, 1]
        assert [e.number for e in record.view(after=2).entries] == [3]
        assert [e.number for e in record.view(limit=1).entries] == [3]
