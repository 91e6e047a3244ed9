"""When an alert was told, and when a delivery changed, found by time: what is old is deleted."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A default, for a replica of the release before writes rows without it.
    "ALTER TABLE alerts ADD COLUMN at timestamptz NOT NULL DEFAULT now()",
    # Rows lie in the order of time, as far as it matters: these are small, and cost no insert.
    "CREATE INDEX alerts_at ON alerts USING brin (at)",
    "CREATE INDEX delivery_changes_at ON delivery_changes USING brin (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
