"""Who confirmed each erasure, so that one which nobody did is seen."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # When each of the others had done it; `warned_at`: when the log said that it takes too long.
    op.execute("""
        ALTER TABLE erasures
            ADD COLUMN ingest_at timestamptz,
            ADD COLUMN dispatcher_at timestamptz,
            ADD COLUMN platforms_at timestamptz,
            ADD COLUMN warned_at timestamptz
    """)
    # Those of before were told once and confirmed by nobody: nobody will be asked for them again.
    op.execute("""
        UPDATE erasures SET ingest_at = done_at, dispatcher_at = done_at, platforms_at = done_at
        WHERE state = 'done'
    """)
    op.execute("DROP INDEX erasures_asked")
    # Nothing is confirmed before it is done here, and the dispatcher before its platforms.
    op.execute("""
        CREATE INDEX erasures_open ON erasures (asked_at)
        WHERE ingest_at IS NULL OR platforms_at IS NULL
    """)
