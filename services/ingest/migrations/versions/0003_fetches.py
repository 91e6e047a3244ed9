"""Responses to be fetched: what waits, each platform's limits, and what was read until when."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # One row per response. `due_at` null: fetched, or given up; the row stays for a while so that
    # a sender's retry costs no second call. `arm` grows with every newer message, so that a fetch
    # that began before it does not close the row. Leases use the database's clock.
    op.execute("""
        CREATE TABLE fetches (
            source text NOT NULL,
            survey text NOT NULL,
            response_id text NOT NULL,
            variables jsonb NOT NULL,
            occurred_at timestamptz NOT NULL,
            received_at timestamptz NOT NULL,
            arm integer NOT NULL DEFAULT 1,
            due_at timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            alone boolean NOT NULL DEFAULT false,
            lease uuid,
            leased_until timestamptz,
            reason text NOT NULL DEFAULT '',
            closed_at timestamptz,
            PRIMARY KEY (source, survey, response_id)
        )
    """)
    op.execute("CREATE INDEX fetches_due ON fetches (source, due_at) WHERE due_at IS NOT NULL")
    op.execute("CREATE INDEX fetches_closed ON fetches (closed_at) WHERE closed_at IS NOT NULL")
    # What holds for a platform's account, and so for all replicas together.
    op.execute("""
        CREATE TABLE fetch_sources (
            source text PRIMARY KEY,
            paused_until timestamptz,
            failures integer NOT NULL DEFAULT 0,
            reason text NOT NULL DEFAULT '',
            reconcile_at timestamptz,
            reconciling_until timestamptz
        )
    """)
    op.execute("""
        CREATE TABLE fetch_calls (
            source text NOT NULL,
            span text NOT NULL CHECK (span IN ('minute', 'day')),
            starts timestamptz NOT NULL,
            calls integer NOT NULL,
            PRIMARY KEY (source, span, starts)
        )
    """)
    # `read_at`: when its responses were last read together; `read_to`: everything changed before
    # has been found by reconciling.
    op.execute("""
        CREATE TABLE fetch_surveys (
            source text NOT NULL,
            survey text NOT NULL,
            read_at timestamptz,
            read_to timestamptz,
            PRIMARY KEY (source, survey)
        )
    """)
    # Event ids published from fetched documents, so that what is read again is not told again.
    op.execute("""
        CREATE TABLE fetch_told (
            event_id uuid PRIMARY KEY,
            told_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX fetch_told_at ON fetch_told (told_at)")
