"""What was told last of each customer's merges, so that one can be undone in any order."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Since `linked_at` she is part of `linked_to`, or of nobody; `merged_into` follows from all.
    "ALTER TABLE recipients ADD COLUMN linked_to uuid, ADD COLUMN linked_at timestamptz",
    """
    UPDATE recipients SET linked_to = merged_into, linked_at = '1970-01-01T00:00:00Z'
    WHERE merged_into IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
