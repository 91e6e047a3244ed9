"""Each thing that a person can do to messages is a row of ingest's, in her token's name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.times import iso
from tests.builders.auditing import kept, told
from tests.builders.ingest import ENVIRON, Ingest
from tests.builders.remapping import NOW, SOURCE, answer, mapped_by, send

KEY = ENVIRON["NPS_ROUTE_SECRET"].encode()
SINCE = iso(NOW - timedelta(days=1))


async def rows(ingest: Ingest) -> list[tuple[str, str, str, Any]]:
    """What people did; nothing in it names a customer."""
    found = await kept(ingest.engine, "ingest", key=KEY, schema="ingest")
    assert "@example" not in repr(found)
    return told(found)


async def as_eraser(ingest: Ingest, path: str) -> None:
    answered = await ingest.client.post(
        f"/v1/bodies/{path}",
        json={"identifiers": {"email": "c1@example.com"}},
        headers={"Authorization": f"Bearer {ENVIRON['ERASER']}"},
    )
    assert answered.status_code == 200, answered.text


async def test_reading_the_quarantine_again_is_a_row_and_rehearsing_it_is_none(
    database: str, tmp_path: Path
) -> None:
    """The row is written before anything is told, and names which rows were meant."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="ten"))
        await ingest.operate("/v1/quarantine/remap", {"dry_run": True})
        assert await rows(ingest) == []
        ((row_id,),) = await ingest.rows("SELECT CAST(id AS text) FROM ingest.quarantine")
        await ingest.operate("/v1/quarantine/remap", {"dry_run": False})
        named = {"rows": [row_id]}
        assert await rows(ingest) == [("operator", "quarantine.replay_asked", "1 rows", named)]


async def test_mapping_bodies_again_is_a_row_and_showing_it_is_none(
    database: str, tmp_path: Path
) -> None:
    """With the mapping, and which bodies were meant."""
    async with mapped_by(database, tmp_path) as ingest:
        for dry_run in (True, False):
            wanted = {"since": SINCE, "dry_run": dry_run}
            found = await ingest.operate(f"/v1/sources/{SOURCE}/remap", wanted)
            assert found.status_code == 200, found.text
        mapping = found.json()["mapping"]
        assert await rows(ingest) == [
            (
                "operator",
                "source.remap_asked",
                SOURCE,
                {"mapping": mapping, "since": SINCE, "until": None, "after": 0, "most": 100},
            )
        ]


async def test_an_import_is_a_row_when_it_is_begun_and_for_all_rows_told(
    database: str, tmp_path: Path
) -> None:
    """In the transaction that counts them: told again, the same rows are no second one."""
    async with mapped_by(database, tmp_path) as ingest:
        file = "ab" * 32
        begun = await ingest.operate(
            "/v1/imports", {"source": SOURCE, "sha256": file, "provenance": "own"}
        )
        import_id = begun.json()["id"]
        for _ in range(2):
            sent = {"from": 0, "rows": [answer(1), {"email": "c2@example.com"}]}
            done = await ingest.operate(f"/v1/imports/{import_id}/rows", sent)
            assert done.status_code == 200, done.text
        first, second = await rows(ingest)
    detail = {"source": SOURCE, "file": file, "provenance": "own", "next_row": 0}
    assert first == ("operator", "import.begun", import_id, detail)
    assert second[:3] == ("operator", "import.rows_told", import_id)
    counts = {name: second[3][name] for name in ("from_row", "to_row", "told", "refused")}
    assert counts == {"from_row": 0, "to_row": 2, "told": 1, "refused": 1}


async def test_deleting_and_handing_out_what_is_kept_of_a_person_are_rows(
    database: str, tmp_path: Path
) -> None:
    """How many identifiers were given, never which."""
    async with mapped_by(database, tmp_path) as ingest:
        await as_eraser(ingest, "export")
        await as_eraser(ingest, "erase")
        assert await rows(ingest) == [
            ("eraser", "bodies.export_asked", "1 identifiers", {}),
            ("eraser", "bodies.erase_asked", "1 identifiers", {}),
        ]


async def test_a_start_is_recorded_by_the_service_itself(database: str, tmp_path: Path) -> None:
    """Its file and the secrets that it read, by reference; and the record is shown."""
    async with mapped_by(database, tmp_path) as ingest:
        await ingest.recorded()
        found = await rows(ingest)
        shown = await ingest.client.get(
            "/v1/audit/ingest", headers={"Authorization": f"Bearer {ENVIRON['LOOKER']}"}
        )
    assert {row[:3] for row in found} >= {
        ("@start", "configuration.used", "sources.yaml"),
        ("@start", "secret.used", "env:NPS_SECRET_SHOP"),
        ("@start", "secret.used", "env:NPS_ROUTE_SECRET"),
    }
    assert [row["seq"] for row in shown.json()["rows"]] == list(range(1, len(found) + 1))
    assert not any(secret in shown.text for secret in ENVIRON.values())
