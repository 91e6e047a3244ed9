"""Test respondents: what is kept of them, and profile pushes that are withheld from a target."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE recipients ADD COLUMN test boolean NOT NULL DEFAULT false",
    "ALTER TABLE pushes DROP CONSTRAINT pushes_state_check",
    # NOT VALID: every row there is fits, and the table is not read for it under a lock.
    """
    ALTER TABLE pushes ADD CONSTRAINT pushes_state_check
        CHECK (state IN ('due', 'sending', 'reached', 'rejected', 'parked', 'withheld')) NOT VALID
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
