"""Refused profile pushes: found by target, and who had them pushed again."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

STATEMENTS = (
    # `profiles`: how many that word was about. NOT VALID: every row there is fits.
    """
    ALTER TABLE target_changes
        ADD COLUMN profiles int,
        DROP CONSTRAINT target_changes_what_check,
        ADD CONSTRAINT target_changes_what_check CHECK (what IN (
            'pause', 'resume', 'drain', 'drained', 'redrive_profiles')) NOT VALID
    """,
    # Few rows: what was refused is the exception.
    """
    CREATE INDEX pushes_refused ON pushes (target, customer_id)
        WHERE state IN ('rejected', 'parked')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
