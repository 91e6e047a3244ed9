"""How often a body was mapped again, and how far each import of a file has come."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Each revision of a body is an event of its own, also when a mapping is changed back.
    op.execute("ALTER TABLE bodies ADD COLUMN revised integer NOT NULL DEFAULT 0")
    # A file is known by its hash, so that the same one goes on where it stopped, from any machine.
    # Nothing of its content stands here.
    op.execute("""
        CREATE TABLE imports (
            id uuid PRIMARY KEY,
            source text NOT NULL,
            sha256 text NOT NULL,
            provenance text NOT NULL CHECK (provenance IN ('own', 'partner', 'bought')),
            rows_total bigint,
            next_row bigint NOT NULL DEFAULT 0,
            told bigint NOT NULL DEFAULT 0,
            ignored bigint NOT NULL DEFAULT 0,
            refused bigint NOT NULL DEFAULT 0,
            started_at timestamptz NOT NULL,
            moved_at timestamptz NOT NULL
        )
    """)
