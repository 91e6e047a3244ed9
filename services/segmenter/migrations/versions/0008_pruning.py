"""What is past its time is found without reading the table."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    # Only of rows that have a body still; both grow at one end and are emptied at the other.
    op.execute("""
        CREATE INDEX decisions_bodies ON decisions (decided_at) WHERE payload IS NOT NULL
    """)
    op.execute("""
        CREATE INDEX timers_settled ON timers (due_at) WHERE state = 'closed' AND kind = 'settle'
    """)
