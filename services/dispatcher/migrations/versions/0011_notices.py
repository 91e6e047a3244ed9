"""What colleagues are told about no single customer: digests of alerts, and that all runs."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE notices (
        id       uuid PRIMARY KEY,
        kind     text NOT NULL CHECK (kind IN ('digest', 'heartbeat')),
        target   text NOT NULL,
        action   text NOT NULL,
        channel  text NOT NULL,
        begun    timestamptz NOT NULL,
        due      timestamptz NOT NULL,
        deadline timestamptz NOT NULL,
        state    text NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'sending', 'accepted', 'rejected', 'expired')),
        reason   text NOT NULL,
        attempts int NOT NULL DEFAULT 0,
        token    uuid,
        lease_until timestamptz,
        at       timestamptz NOT NULL
    )
    """,
    "CREATE INDEX notices_open ON notices (target, due) WHERE state IN ('waiting', 'sending')",
    # How many alerts of a kind went to a target in the present hour: one row, locked to count.
    """
    CREATE TABLE alert_hours (
        target text NOT NULL,
        action text NOT NULL,
        hour   timestamptz NOT NULL,
        used   int NOT NULL DEFAULT 0,
        PRIMARY KEY (target, action)
    ) WITH (fillfactor = 50)
    """,
    # The digest that an alert went into.
    "ALTER TABLE alerts ADD COLUMN notice uuid",
    "CREATE INDEX alerts_notice ON alerts (notice) WHERE notice IS NOT NULL",
    # The answer that a decision is about, where it is: how many there were in a day is counted on
    # it, over rows that lie in the order of time.
    "ALTER TABLE planned ADD COLUMN answer uuid",
    "CREATE INDEX planned_at ON planned USING brin (planned_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
