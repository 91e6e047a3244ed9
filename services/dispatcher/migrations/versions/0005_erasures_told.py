"""What was told of each erasure: that it is done here, and that no platform is asked any more."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE erasures ADD COLUMN told text NOT NULL DEFAULT 'nothing'
        CHECK (told IN ('nothing', 'dispatcher', 'platforms'))
    """,
    "CREATE INDEX erasures_untold ON erasures (handled_at) WHERE told <> 'platforms'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
