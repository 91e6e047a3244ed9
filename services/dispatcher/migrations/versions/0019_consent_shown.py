"""What platforms show of consent by the way."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATEMENTS = (
    # `refused`: channel (or `any`) → the field that shows it, as last seen. The rest is of the
    # newest refusal that was news; `untold` until the bus has it.
    """
    CREATE TABLE consent_shown (
        target      text NOT NULL,
        kind        text NOT NULL,
        value       text NOT NULL,
        customer_id uuid NOT NULL,
        refused     jsonb NOT NULL,
        event_id    uuid,
        channel     text NOT NULL,
        proof       text NOT NULL,
        changed_at  timestamptz NOT NULL,
        untold      boolean NOT NULL DEFAULT false,
        PRIMARY KEY (target, kind, value)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX consent_shown_customer ON consent_shown (customer_id)",
    "CREATE INDEX consent_shown_value ON consent_shown (kind, value)",
    "CREATE INDEX consent_shown_untold ON consent_shown (changed_at) WHERE untold",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
