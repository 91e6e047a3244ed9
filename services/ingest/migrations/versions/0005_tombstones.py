"""Who was forgotten, so that nothing brings her back; when a body was said; what imports skip."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # HMACs only, for ever: of a person's identifiers, of her responses, of her messages in
    # quarantine. What was said of her up to `erased_before` is neither told nor kept again. They
    # are compared, never shown in the order of a language.
    op.execute("""
        CREATE TABLE tombstones (
            hashed text COLLATE "C" PRIMARY KEY,
            erased_before timestamptz NOT NULL
        )
    """)
    # The earliest time of its messages: what she said after she was erased stays.
    op.execute("ALTER TABLE bodies ADD COLUMN said_at timestamptz")
    op.execute("ALTER TABLE imports ADD COLUMN erased bigint NOT NULL DEFAULT 0")
