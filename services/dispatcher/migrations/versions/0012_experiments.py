"""Experiments, what customers completed, and coupon codes."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE deliveries ADD COLUMN arm text",
    # One row per delivery that an experiment drew an arm for; a customer's first of a play keeps
    # her arm. `next_*` is her next answer after it.
    """
    CREATE TABLE draws (
        delivery_id uuid PRIMARY KEY,
        customer_id uuid NOT NULL,
        play        text NOT NULL,
        cause_id    uuid NOT NULL,
        arm         text NOT NULL,
        at          timestamptz NOT NULL,
        answered_at timestamptz NOT NULL,
        score       int,
        next_cause  uuid,
        next_at     timestamptz,
        next_score  int,
        churned_at  timestamptz
    )
    """,
    "CREATE INDEX draws_customer ON draws (customer_id, play)",
    "CREATE INDEX draws_play ON draws (play, at)",
    """
    CREATE TABLE completed (
        customer_id uuid NOT NULL,
        what        text NOT NULL,
        at          timestamptz NOT NULL,
        PRIMARY KEY (customer_id, what)
    )
    """,
    # Only there to be locked: codes of a pool are given by one transaction at a time.
    "CREATE TABLE coupon_pools (pool text PRIMARY KEY)",
    """
    CREATE TABLE coupons (
        pool        text NOT NULL,
        code        text NOT NULL,
        added_at    timestamptz NOT NULL,
        delivery_id uuid UNIQUE,
        cause_id    uuid,
        given_at    timestamptz,
        PRIMARY KEY (pool, code)
    )
    """,
    "CREATE UNIQUE INDEX coupons_cause ON coupons (pool, cause_id) WHERE cause_id IS NOT NULL",
    "CREATE INDEX coupons_free ON coupons (pool, added_at, code) WHERE delivery_id IS NULL",
    "CREATE INDEX coupons_given ON coupons (pool, given_at) WHERE delivery_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
