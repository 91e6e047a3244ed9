"""What the last look at each target found."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    # One row per target: `seen` is compared with the next look, whichever replica makes it.
    """
    CREATE TABLE preflights (
        target   text PRIMARY KEY,
        at       timestamptz NOT NULL,
        findings jsonb NOT NULL,
        seen     jsonb NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
