"""Who was erased, what was done about it, and what each platform is still to delete of her."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Her id stays as a stub: whatever is told of it later is dropped. The row that every decision
    # locks says so itself, so that dropping costs no query.
    "ALTER TABLE recipients ADD COLUMN erased_at timestamptz",
    # From now on a group goes with its last member.
    """
    DELETE FROM groups g WHERE NOT EXISTS (
        SELECT 1 FROM recipients r WHERE r.group_key = g.group_key
    )
    """,
    """
    CREATE TABLE erasures (
        erasure_id  uuid PRIMARY KEY,
        customer_id uuid NOT NULL,
        erased_at   timestamptz NOT NULL,
        handled_at  timestamptz NOT NULL,
        counts      jsonb NOT NULL
    )
    """,
    # What one platform shall delete, one row for each name it may know her by. `customer_id` is
    # whose calls it must not overlap, `named` and `identifiers` go on the wire; the identifiers
    # are emptied with the last try. `followers` live under the same identifiers: their profiles
    # are pushed again after the deletion.
    """
    CREATE TABLE deletions (
        customer_id uuid NOT NULL,
        target      text NOT NULL,
        part        int NOT NULL,
        erasure_id  uuid NOT NULL REFERENCES erasures (erasure_id),
        named       uuid NOT NULL,
        identifiers jsonb,
        followers   uuid[] NOT NULL DEFAULT '{}',
        state       text NOT NULL CHECK (state IN ('due', 'sending', 'done', 'by_hand')),
        reason      text NOT NULL,
        attempts    int NOT NULL DEFAULT 0,
        asked_at    timestamptz NOT NULL,
        due         timestamptz,
        done_at     timestamptz,
        PRIMARY KEY (customer_id, target, part)
    )
    """,
    "CREATE INDEX deletions_due ON deletions (target, due, customer_id) WHERE state = 'due'",
    "CREATE INDEX deletions_open ON deletions (asked_at) WHERE state IN ('due', 'sending')",
    "CREATE INDEX deletions_erasure ON deletions (erasure_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
