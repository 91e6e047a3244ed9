"""A customer has several timers of one kind: an answer that settles, a case that is asked about."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # `subject`: the hash of the answer or the case; empty where she has one timer of the kind.
    op.execute("ALTER TABLE timers ADD COLUMN subject text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE timers DROP CONSTRAINT timers_pkey")
    # The customer first: all timers of the customers of a batch are read at once.
    op.execute("ALTER TABLE timers ADD PRIMARY KEY (customer_id, kind, subject)")
