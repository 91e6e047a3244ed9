"""What an owner is told of a week: one notice, with what it says until it was said."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = (
    # `week` is emptied when the notice has come to its end; `room`: a channel of the target.
    """
    ALTER TABLE notices
        ADD COLUMN room text,
        ADD COLUMN week jsonb,
        DROP CONSTRAINT notices_kind_check,
        ADD CONSTRAINT notices_kind_check CHECK (kind IN ('digest', 'heartbeat', 'owner_week'))
    """,
    "CREATE INDEX notices_week ON notices (id) WHERE week IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
