"""Who asked for a person to be forgotten, and what stops her old data from coming back."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The request and its receipt. `identifiers` ([kind, value]) is what was given; once it is done
    # it is emptied. `told_at` is when the request was last told on the bus.
    op.execute("""
        CREATE TABLE erasures (
            erasure_id uuid PRIMARY KEY,
            asked_at timestamptz NOT NULL,
            asked_by text NOT NULL,
            told_at timestamptz,
            state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'done')),
            identifiers jsonb NOT NULL,
            customer_ids uuid[] NOT NULL,
            people text[] NOT NULL,
            counts jsonb NOT NULL DEFAULT '{}',
            done_at timestamptz
        )
    """)
    op.execute("CREATE INDEX erasures_asked ON erasures (asked_at) WHERE state = 'asked'")
    # HMACs of what named somebody forgotten. `erased_before` NULL: whatever names it is dropped for
    # ever (an answer, a case, a delivery, a customer's id); else what was told up to then.
    op.execute("""
        CREATE TABLE tombstones (
            person text PRIMARY KEY,
            erased_before timestamptz
        )
    """)
    # Who was ever merged into somebody and is not any more: few, and looked for from her side.
    op.execute("""
        CREATE INDEX merges_undone_into ON merges (survivor_id) WHERE undone_at IS NOT NULL
    """)
