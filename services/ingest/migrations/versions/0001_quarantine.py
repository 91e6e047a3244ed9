"""The quarantine: authentic messages that no mapping understood, kept for a limited time."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # `mapping` is the version of sources.yaml that failed; `body` the raw bytes, secrets struck
    # out, so that a corrected mapping can read them again.
    op.execute("""
        CREATE TABLE quarantine (
            id uuid PRIMARY KEY,
            source text NOT NULL,
            received_at timestamptz NOT NULL,
            path text NOT NULL,
            rule text NOT NULL,
            mapping text NOT NULL,
            content_type text NOT NULL,
            body bytea NOT NULL
        )
    """)
    op.execute("CREATE INDEX quarantine_received ON quarantine (received_at)")
    op.execute("CREATE INDEX quarantine_source ON quarantine (source, received_at)")
