"""Large values are compressed by lz4 where the server has it."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    # A decision has some 7 kB, and compressing it with the server's own way costs more than all
    # else of its row. A server built without lz4 keeps that way; so do rows that are there already.
    op.execute("""
        DO $$ BEGIN
            ALTER TABLE decisions ALTER COLUMN payload SET COMPRESSION lz4;
            ALTER TABLE profiles ALTER COLUMN state SET COMPRESSION lz4;
        EXCEPTION WHEN feature_not_supported THEN NULL;
        END $$
    """)
