"""Changes of watched figures that the bus does not have yet."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Sums and the name of a group, of nobody alone. A row goes once it is told.
    op.execute("""
        CREATE TABLE figure_untold (
            id uuid PRIMARY KEY,
            at timestamptz NOT NULL,
            told jsonb NOT NULL
        )
    """)
