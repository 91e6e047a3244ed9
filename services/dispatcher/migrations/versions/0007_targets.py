"""Targets: breakers counted over all replicas, and what people said of them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The breaker is open while `broken_until` is set; after it one call at a time probes. `held` is
    # a person's word, which no start and no answer ends.
    """
    ALTER TABLE targets
        ADD COLUMN broken_since  timestamptz,
        ADD COLUMN broken_until  timestamptz,
        ADD COLUMN broken_reason text,
        ADD COLUMN counted_from  timestamptz,
        ADD COLUMN held          text CHECK (held IN ('paused', 'draining')),
        ADD COLUMN drain_per_s   int,
        ADD COLUMN drain_most    int
    """,
    # A few rows, written with every record of calls: room for new versions on the same page.
    """
    CREATE TABLE tallies (
        target  text NOT NULL,
        started timestamptz NOT NULL,
        calls   int NOT NULL,
        failed  int NOT NULL,
        PRIMARY KEY (target, started)
    ) WITH (fillfactor = 50)
    """,
    # Who paused, resumed or drained a target, when and why; nothing deletes them.
    """
    CREATE TABLE target_changes (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL,
        what   text NOT NULL CHECK (what IN ('pause', 'resume', 'drain', 'drained')),
        rate   text,
        reason text NOT NULL,
        by     text NOT NULL,
        at     timestamptz NOT NULL
    )
    """,
    "CREATE INDEX target_changes_of ON target_changes (target, number)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
