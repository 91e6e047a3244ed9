"""Who told a fact: the source of its event, for attributes and consents."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL for what was kept before: an answer's own source stands in its body.
    op.execute("ALTER TABLE facts ADD COLUMN source text")
