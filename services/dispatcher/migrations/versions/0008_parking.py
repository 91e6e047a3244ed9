"""What plays were granted lately, and how many first deliveries of each waited for a person."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A few rows, written with every batch that plans: room for new versions on the same page.
    """
    CREATE TABLE surges (
        play    text NOT NULL,
        target  text NOT NULL,
        started timestamptz NOT NULL,
        used    int NOT NULL DEFAULT 0,
        before  int NOT NULL DEFAULT 0,
        PRIMARY KEY (play, target)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE trials (
        play       text NOT NULL,
        definition text NOT NULL,
        waited     int NOT NULL,
        first_used timestamptz NOT NULL,
        PRIMARY KEY (play, definition)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
