"""The ordered log: topics with their counters, records, and the place of each group."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # `next_offset` is the counter that a publishing transaction locks: whoever holds the row
    # commits next, so offsets are gapless and in commit order.
    op.execute("""
        CREATE TABLE topics (
            topic text PRIMARY KEY,
            next_offset bigint NOT NULL DEFAULT 0
        )
    """)
    op.execute("""
        INSERT INTO topics (topic) VALUES
            ('nps.feedback'), ('nps.decisions'), ('nps.outcomes'),
            ('nps.feedback.dead'), ('nps.decisions.dead'), ('nps.outcomes.dead')
    """)
    op.execute("""
        CREATE TABLE records (
            topic text NOT NULL,
            "offset" bigint NOT NULL,
            key text NOT NULL,
            value bytea NOT NULL,
            headers text,
            at timestamptz NOT NULL,
            PRIMARY KEY (topic, "offset")
        )
    """)
    # One row per group and topic: how far it is, and who may say so. `epoch` rises with each
    # change of holder; a commit under an older epoch moves nothing.
    op.execute("""
        CREATE TABLE groups (
            topic text NOT NULL,
            name text NOT NULL,
            next_offset bigint NOT NULL DEFAULT 0,
            epoch bigint NOT NULL DEFAULT 0,
            member text,
            lease_until timestamptz NOT NULL DEFAULT '-infinity',
            PRIMARY KEY (topic, name)
        )
    """)
