"""Shadow: deliveries and profile pushes that would have been sent, and what others sent."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check",
    # NOT VALID: every row there is fits, and the table is not read for it under a lock.
    """
    ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_check CHECK (state IN (
        'planned', 'waiting', 'sending', 'accepted', 'in_doubt', 'suppressed', 'superseded',
        'expired', 'rejected', 'parked', 'shadowed')) NOT VALID
    """,
    "ALTER TABLE pushes DROP CONSTRAINT pushes_state_check",
    """
    ALTER TABLE pushes ADD CONSTRAINT pushes_state_check CHECK (state IN (
        'due', 'sending', 'reached', 'rejected', 'parked', 'withheld', 'shadowed')) NOT VALID
    """,
    "CREATE INDEX deliveries_shadowed ON deliveries (attempted_at) WHERE state = 'shadowed'",
    # Sends that platforms reported and that are not ours, while some target is in shadow. `people`
    # are HMACs of her identifiers under the route key, as erasures name them.
    """
    CREATE TABLE foreign_sends (
        event_id uuid PRIMARY KEY,
        channel  text NOT NULL,
        contact_class text NOT NULL,
        target   text,
        at       timestamptz NOT NULL,
        people   text[] NOT NULL
    )
    """,
    "CREATE INDEX foreign_sends_at ON foreign_sends (at)",
    "CREATE INDEX foreign_sends_people ON foreign_sends USING gin (people)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
