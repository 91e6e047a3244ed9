"""How many calls each target was sent in the windows that its platform grants."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A few rows, each written with every claim: room for new versions of them on the same page.
    """
    CREATE TABLE rates (
        target  text NOT NULL,
        of      text NOT NULL CHECK (of IN ('all', 'push', 'act')),
        per_s   int NOT NULL,
        started timestamptz NOT NULL,
        used    int NOT NULL DEFAULT 0,
        before  int NOT NULL DEFAULT 0,
        PRIMARY KEY (target, of, per_s)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
