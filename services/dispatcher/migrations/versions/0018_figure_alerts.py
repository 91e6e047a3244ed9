"""What colleagues are told of a figure that changed, or is quiet again."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = (
    # It stays when the notice has come to its end: by it an older one knows that it is too late.
    """
    ALTER TABLE notices
        ADD COLUMN figure jsonb,
        DROP CONSTRAINT notices_kind_check,
        ADD CONSTRAINT notices_kind_check
            CHECK (kind IN ('digest', 'heartbeat', 'owner_week', 'figure_alert'))
    """,
    "CREATE INDEX notices_figure ON notices ((figure ->> 'alert')) WHERE figure IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
