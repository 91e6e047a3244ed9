"""Questions that had no turn in their time are found by its end."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX inquiries_until ON inquiries (until) WHERE due IS NOT NULL")
