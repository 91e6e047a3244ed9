"""Facts, who they belong to, what follows from them, and what was decided."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # The fold of a customer's facts. This row is also the lock of everything about her. Updated by
    # nearly every event: free room in each page keeps such an update within it.
    op.execute("""
        CREATE TABLE profiles (
            customer_id uuid PRIMARY KEY,
            created_at timestamptz NOT NULL,
            version bigint NOT NULL DEFAULT 0,
            state jsonb NOT NULL DEFAULT '{}'
        ) WITH (fillfactor = 80)
    """)
    # Written once and never moved: merges are aliases, so that they can be undone.
    op.execute("""
        CREATE TABLE identifiers (
            kind text NOT NULL,
            value text NOT NULL,
            customer_id uuid NOT NULL,
            PRIMARY KEY (kind, value)
        )
    """)
    op.execute("CREATE INDEX identifiers_customer ON identifiers (customer_id)")
    op.execute("""
        CREATE TABLE aliases (
            customer_id uuid PRIMARY KEY,
            survivor_id uuid NOT NULL,
            merged_at timestamptz NOT NULL,
            event_id uuid NOT NULL
        )
    """)
    op.execute("CREATE INDEX aliases_survivor ON aliases (survivor_id)")
    # `customer_id` is the customer before any alias. Only an earlier receipt ever changes a row.
    op.execute("""
        CREATE TABLE facts (
            event_id uuid PRIMARY KEY,
            customer_id uuid NOT NULL,
            kind text NOT NULL,
            occurred_at timestamptz NOT NULL,
            identity text NOT NULL,
            revision bigint,
            received_at timestamptz NOT NULL,
            body jsonb NOT NULL
        )
    """)
    op.execute("CREATE INDEX facts_customer ON facts (customer_id, occurred_at)")
    # Inbox, dedupe, outbox and audit. `payload` holds the events to publish, one JSON a line; NULL
    # where nothing is to be published, and then `note` says why.
    op.execute("""
        CREATE TABLE decisions (
            event_id uuid PRIMARY KEY,
            decision_id uuid NOT NULL,
            customer_id uuid NOT NULL,
            version bigint NOT NULL,
            kind text NOT NULL,
            decided_at timestamptz NOT NULL,
            payload text,
            note text
        )
    """)
    # A customer's version is given once. Version 0 is a timer that names nobody: it counts nowhere.
    op.execute("""
        CREATE UNIQUE INDEX decisions_customer ON decisions (customer_id, version DESC)
        WHERE version > 0
    """)
    # One row per kind and customer; `arm` counts how often it was set.
    op.execute("""
        CREATE TABLE timers (
            kind text NOT NULL,
            customer_id uuid NOT NULL,
            arm bigint NOT NULL,
            due_at timestamptz NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'closed')),
            PRIMARY KEY (kind, customer_id)
        )
    """)
    op.execute("CREATE INDEX timers_due ON timers (due_at) WHERE state = 'open'")
    op.execute("""
        CREATE TABLE policies (
            version text PRIMARY KEY,
            text text NOT NULL,
            first_used_at timestamptz NOT NULL
        )
    """)
