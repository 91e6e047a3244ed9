"""Rows to be written travel as one array of rows, instead of one array for each column."""

from alembic import op

revision = "0011"
down_revision = "0010"

#: Never to be changed, for a process of the release before still writes these while a newer one has
#: migrated: a row of another shape is another type. JSON comes as text.
ROWS = {
    "fact_row": """
        event_id uuid, customer_id uuid, kind text, occurred_at timestamptz, identity text,
        revision bigint, received_at timestamptz, source text, body text
    """,
    "decision_row": """
        event_id uuid, decision_id uuid, customer_id uuid, version bigint, kind text,
        decided_at timestamptz, payload text, note text
    """,
    "profile_row": "customer_id uuid, version bigint, state text, policy text",
    "timer_row": """
        kind text, customer_id uuid, subject text, arm bigint, due_at timestamptz, state text
    """,
    "answer_row": """
        source text, survey text, response_id text, customer_id uuid, metric text, score smallint,
        answered_at timestamptz, complete boolean, history boolean, said text
    """,
}


def upgrade() -> None:
    for name, columns in ROWS.items():
        op.execute(f"CREATE TYPE {name} AS ({columns})")
