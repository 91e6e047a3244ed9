"""What a merge was, so that it can be undone; and who is not to be merged."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # One row per merge, and never two open ones of one customer: together the open rows are a tree,
    # of which `aliases` is the flattened view. `survivor_id` is whom she was merged into then.
    op.execute("""
        CREATE TABLE merges (
            sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            customer_id uuid NOT NULL,
            survivor_id uuid NOT NULL,
            event_id uuid NOT NULL,
            merged_at timestamptz NOT NULL,
            undone_at timestamptz,
            undone_by uuid
        )
    """)
    op.execute("CREATE INDEX merges_customer ON merges (customer_id)")
    op.execute("CREATE UNIQUE INDEX merges_open ON merges (customer_id) WHERE undone_at IS NULL")
    op.execute("CREATE INDEX merges_into ON merges (survivor_id) WHERE undone_at IS NULL")
    op.execute("""
        INSERT INTO merges (customer_id, survivor_id, event_id, merged_at)
        SELECT customer_id, survivor_id, event_id, merged_at FROM aliases
        ORDER BY merged_at, customer_id
    """)
    # Each pair twice, once from either side. `person`: somebody undid their merge, so no event ever
    # merges them again. `consent`: the policy refused to; an event may merge them once it does not.
    op.execute("""
        CREATE TABLE apart (
            customer_id uuid NOT NULL,
            other_id uuid NOT NULL,
            reason text NOT NULL CHECK (reason IN ('person', 'consent')),
            event_id uuid NOT NULL,
            since timestamptz NOT NULL,
            PRIMARY KEY (customer_id, other_id)
        )
    """)
