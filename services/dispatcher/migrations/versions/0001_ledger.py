"""Recipients, profile pushes, the delivery ledger, calls in flight, the segmenter's progress."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # One row per customer, from the highest decision version seen. Version 0: known only by a
    # merge, no state yet. `merged_into` always names the last survivor, never a chain.
    """
    CREATE TABLE recipients (
        customer_id uuid PRIMARY KEY,
        merged_into uuid,
        version     bigint NOT NULL DEFAULT 0,
        group_key   text,
        state       jsonb
    )
    """,
    "CREATE INDEX recipients_group ON recipients (group_key) WHERE group_key IS NOT NULL",
    "CREATE INDEX recipients_merged ON recipients (merged_into) WHERE merged_into IS NOT NULL",
    # Only there to be locked: a group's budget is counted by one transaction at a time.
    "CREATE TABLE groups (group_key text PRIMARY KEY)",
    """
    CREATE TABLE planned (
        decision_id uuid PRIMARY KEY,
        customer_id uuid NOT NULL,
        planned_at  timestamptz NOT NULL
    )
    """,
    # A state to be reached, not a queue: a newer decision overwrites `wanted`. `reached_hash` is
    # NULL while a call is out: until its answer nobody knows what the platform has.
    """
    CREATE TABLE pushes (
        customer_id    uuid NOT NULL,
        target         text NOT NULL,
        wanted_version bigint NOT NULL,
        wanted         jsonb NOT NULL,
        wanted_hash    text NOT NULL,
        wanted_at      timestamptz NOT NULL,
        reached_hash   text,
        reached_version bigint,
        reached_at     timestamptz,
        state          text NOT NULL
            CHECK (state IN ('due', 'sending', 'reached', 'rejected', 'parked')),
        reason         text NOT NULL,
        attempts       int NOT NULL DEFAULT 0,
        due            timestamptz NOT NULL,
        PRIMARY KEY (customer_id, target)
    )
    """,
    "CREATE INDEX pushes_due ON pushes (target, due, customer_id) WHERE state = 'due'",
    "CREATE INDEX pushes_open ON pushes (target, wanted_at) WHERE state IN ('due', 'sending')",
    """
    CREATE TABLE deliveries (
        id             uuid PRIMARY KEY,
        customer_id    uuid NOT NULL,
        decision_id    uuid NOT NULL,
        event_id       uuid NOT NULL,
        cause_id       uuid NOT NULL,
        play           text NOT NULL,
        action         text NOT NULL,
        variant        text NOT NULL,
        template       text NOT NULL,
        channel        text NOT NULL,
        contact_class  text NOT NULL,
        legal_basis    text,
        target         text NOT NULL,
        context        jsonb NOT NULL,
        segments       text[] NOT NULL,
        on_unknown     text NOT NULL CHECK (on_unknown IN ('hold', 'retry')),
        profile_late   text NOT NULL CHECK (profile_late IN ('send', 'park')),
        playbook       text NOT NULL,
        planned_at     timestamptz NOT NULL,
        send_at        timestamptz NOT NULL,
        moment         timestamptz NOT NULL,
        deadline       timestamptz NOT NULL,
        state          text NOT NULL CHECK (state IN (
            'planned', 'waiting', 'sending', 'accepted', 'in_doubt', 'suppressed', 'superseded',
            'expired', 'rejected', 'parked')),
        reason         text NOT NULL,
        until          timestamptz,
        due            timestamptz,
        attempts       int NOT NULL DEFAULT 0,
        attempted_at   timestamptz,
        unanswered_since timestamptz,
        reference      text,
        message        text NOT NULL DEFAULT 'none',
        change         int NOT NULL DEFAULT 1
    )
    """,
    """
    CREATE INDEX deliveries_due ON deliveries (target, due, customer_id)
        WHERE state IN ('planned', 'waiting')
    """,
    """
    CREATE INDEX deliveries_open ON deliveries (target, send_at)
        WHERE state IN ('planned', 'waiting', 'sending')
    """,
    """
    CREATE INDEX deliveries_attention ON deliveries (target, state)
        WHERE state IN ('in_doubt', 'parked')
    """,
    # Slots are counted on it: what a person received, or is going to, in a window of time.
    "CREATE INDEX deliveries_customer ON deliveries (customer_id, moment)",
    "CREATE INDEX deliveries_cause ON deliveries (cause_id)",
    "CREATE INDEX deliveries_recent ON deliveries (planned_at, id)",
    """
    CREATE TABLE delivery_changes (
        delivery_id uuid NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        change      int NOT NULL,
        state       text NOT NULL,
        reason      text NOT NULL,
        until       timestamptz,
        at          timestamptz NOT NULL,
        by          text NOT NULL,
        untold      boolean NOT NULL,
        PRIMARY KEY (delivery_id, change)
    )
    """,
    "CREATE INDEX delivery_changes_untold ON delivery_changes (at, delivery_id) WHERE untold",
    # One row per call in flight; its key is the promise that there is one at most per customer
    # and target. `merged_into` keeps the promise when the customer is merged during the call.
    """
    CREATE TABLE calls (
        customer_id uuid NOT NULL,
        target      text NOT NULL,
        merged_into uuid,
        token       uuid NOT NULL UNIQUE,
        lease_until timestamptz NOT NULL,
        delivery_id uuid,
        PRIMARY KEY (customer_id, target)
    )
    """,
    "CREATE INDEX calls_lease ON calls (target, lease_until)",
    "CREATE INDEX calls_merged ON calls (merged_into, target) WHERE merged_into IS NOT NULL",
    """
    CREATE TABLE targets (
        name         text PRIMARY KEY,
        paused_until timestamptz,
        slow_until   timestamptz,
        reason       text
    )
    """,
    # How far each partition is handled: the segmenter's by its reports, nps.decisions by ourselves.
    """
    CREATE TABLE progress (
        topic      text NOT NULL,
        partition  int NOT NULL,
        partitions int NOT NULL,
        upto       timestamptz NOT NULL,
        PRIMARY KEY (topic, partition)
    )
    """,
    """
    CREATE TABLE playbooks (
        version    text PRIMARY KEY,
        text       text NOT NULL,
        first_used timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
