"""Questions to platforms what became of messages."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    # One row per message whose platform can be asked. `due` NULL: it is asked no more. A lapsed
    # lease needs no taking back: the question is asked again. `heard` is the newest stage that was
    # found so; `untold` until the bus has it.
    """
    CREATE TABLE inquiries (
        delivery_id uuid PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
        target      text NOT NULL,
        accepted_at timestamptz NOT NULL,
        until       timestamptz NOT NULL,
        due         timestamptz,
        asked       int NOT NULL DEFAULT 0,
        asked_at    timestamptz,
        reason      text NOT NULL,
        token       uuid,
        lease_until timestamptz,
        heard       text,
        heard_at    timestamptz,
        untold      boolean NOT NULL DEFAULT false
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX inquiries_due ON inquiries (target, due) WHERE due IS NOT NULL",
    "CREATE INDEX inquiries_ended ON inquiries (accepted_at) WHERE due IS NULL",
    "CREATE INDEX inquiries_untold ON inquiries (heard_at) WHERE untold",
    # Until when a target is asked nothing: it said so to a question, which holds no message back.
    "ALTER TABLE targets ADD COLUMN quiet_until timestamptz",
    "ALTER TABLE rates DROP CONSTRAINT rates_of_check",
    """
    ALTER TABLE rates ADD CONSTRAINT rates_of_check
        CHECK (of IN ('all', 'push', 'act', 'status'))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
