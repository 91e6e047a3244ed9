"""What a week brought to each owner: the reasons of answers, and up to when it was told."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `theme`: the reason of the score; `commented`: she wrote words. Read only where a digest asks.
    op.execute("""
        ALTER TABLE told_answers
            ADD COLUMN theme text,
            ADD COLUMN commented boolean NOT NULL DEFAULT false
    """)
    # Owners of one zone have the same weeks: `upto` is the end of the last one told to them.
    op.execute("""
        CREATE TABLE owner_digests (
            digest text NOT NULL,
            zone text NOT NULL,
            upto timestamptz NOT NULL,
            told_at timestamptz NOT NULL,
            PRIMARY KEY (digest, zone)
        )
    """)
