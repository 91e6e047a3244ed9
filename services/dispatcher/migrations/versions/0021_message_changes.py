"""When each message reached each stage."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS = (
    # `change` and `state`: of the delivery, as it was then. `occurred_at`: by the platform's clock.
    """
    CREATE TABLE message_changes (
        delivery_id uuid NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        message     text NOT NULL,
        change      int NOT NULL,
        state       text NOT NULL,
        occurred_at timestamptz NOT NULL,
        at          timestamptz NOT NULL,
        by          text NOT NULL,
        PRIMARY KEY (delivery_id, message)
    )
    """,
    "CREATE INDEX message_changes_at ON message_changes USING brin (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
