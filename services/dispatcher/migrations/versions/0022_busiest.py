"""Who was sent most in a day is found without reading the ledger itself."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX deliveries_sent ON deliveries (attempted_at) INCLUDE (customer_id)
        WHERE state IN ('accepted', 'in_doubt') AND contact_class <> 'internal'
    """)
