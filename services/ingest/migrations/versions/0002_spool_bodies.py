"""The spool for a bus that is away, authentic bodies, mappings by version, more in quarantine."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # `place` is the order of arrival; `people` finds the rows of a person who is to be erased.
    op.execute("""
        CREATE TABLE spool (
            event_id uuid PRIMARY KEY,
            place bigint GENERATED ALWAYS AS IDENTITY,
            topic text NOT NULL,
            key text NOT NULL,
            value bytea NOT NULL,
            bytes integer NOT NULL,
            people text[] NOT NULL,
            spooled_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE UNIQUE INDEX spool_place ON spool (place)")
    # One row, changed with the spool in one transaction: the limits are asked for every request,
    # and counting the rows each time would cost more than writing them.
    op.execute("""
        CREATE TABLE spool_size (
            sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
            rows bigint NOT NULL,
            bytes bigint NOT NULL
        )
    """)
    op.execute("INSERT INTO spool_size (rows, bytes) VALUES (0, 0)")
    # What no bus will ever take: it must neither block the others nor be lost.
    op.execute("""
        CREATE TABLE spool_dead (
            event_id uuid PRIMARY KEY,
            topic text NOT NULL,
            key text NOT NULL,
            value bytea NOT NULL,
            people text[] NOT NULL,
            spooled_at timestamptz NOT NULL,
            died_at timestamptz NOT NULL,
            reason text NOT NULL
        )
    """)
    # `survey` and `response_id` are null where one body held several messages.
    op.execute("""
        CREATE TABLE bodies (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            source text NOT NULL,
            survey text,
            response_id text,
            received_at timestamptz NOT NULL,
            mapping text NOT NULL,
            content_type text NOT NULL,
            headers jsonb NOT NULL,
            query text NOT NULL,
            event_ids uuid[] NOT NULL,
            people text[] NOT NULL,
            body bytea NOT NULL
        )
    """)
    op.execute("CREATE INDEX bodies_source ON bodies (source, id)")
    op.execute("CREATE INDEX bodies_received ON bodies (received_at)")
    op.execute("CREATE INDEX bodies_people ON bodies USING gin (people)")
    # The source as it was when a body came, secrets by reference: what "would change" is a
    # difference between two mappings, and the old one is no longer in the file.
    op.execute("""
        CREATE TABLE mappings (
            version text PRIMARY KEY,
            source text NOT NULL,
            entry jsonb NOT NULL,
            first_used_at timestamptz NOT NULL
        )
    """)
    # `places`: which messages of the body were not understood (a body may hold several).
    op.execute("""
        ALTER TABLE quarantine
            ADD COLUMN headers jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN query text NOT NULL DEFAULT '',
            ADD COLUMN places integer[] NOT NULL DEFAULT '{0}',
            ADD COLUMN people text[] NOT NULL DEFAULT '{}'
    """)
    op.execute("CREATE INDEX quarantine_people ON quarantine USING gin (people)")
