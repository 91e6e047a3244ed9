"""What people did, row after row."""

from alembic import op

from shared.audit.schema import CREATE

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CREATE:
        op.execute(statement)
