"""Each kind of call of a target has a breaker of its own."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Open while `probe_at` is set; after it one call of the kind at a time finds out. What the
    # columns `broken_*` and `counted_from` of `targets` said, and `tallies`, is read no more.
    """
    CREATE TABLE breakers (
        target       text NOT NULL,
        kind         text NOT NULL CHECK (kind IN ('push', 'act')),
        open_since   timestamptz,
        probe_at     timestamptz,
        reason       text,
        counted_from timestamptz,
        PRIMARY KEY (target, kind)
    )
    """,
    # A few rows, written with every record of calls: room for new versions on the same page.
    """
    CREATE TABLE kind_tallies (
        target  text NOT NULL,
        kind    text NOT NULL,
        started timestamptz NOT NULL,
        calls   int NOT NULL,
        failed  int NOT NULL,
        PRIMARY KEY (target, kind, started)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
