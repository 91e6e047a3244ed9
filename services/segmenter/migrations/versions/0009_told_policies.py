"""Under which policy each customer was decided about when the world was last told of her."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Beside the state, not in it: nothing in a profile depends on policy. The stored decisions say
    # it, too, but only until their bodies are let go. NULL: told before this was noted.
    op.execute("ALTER TABLE profiles ADD COLUMN policy text")
