"""What `shared.database` promises the services."""

from sqlalchemy import text

from shared.database import connect


async def test_a_service_sees_its_own_schema_first(database: str) -> None:
    """An engine built for a schema acts as that schema's role inside it."""
    engine = connect(database, "segmenter")
    try:
        async with engine.connect() as connection:
            row = (await connection.execute(text("SELECT current_user, current_schema()"))).one()
    finally:
        await engine.dispose()
    assert tuple(row) == ("nps_segmenter", "segmenter")
