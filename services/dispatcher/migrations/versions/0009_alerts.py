"""What each alert told, and which alert a correction is about."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Beside the ledger, for only alerts need it: `told` when one was last begun to be sent, `was`
    # what the one had told that it follows.
    """
    CREATE TABLE alerts (
        delivery_id uuid PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
        follows     uuid,
        was         jsonb,
        told        jsonb
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
