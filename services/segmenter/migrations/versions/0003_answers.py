"""One row per answered survey, for the figures; and what the alerts on figures remember."""

from alembic import op

revision = "0003"
down_revision = "0002"

# Answers given before this table was: from the profiles, by the rules of `figures.rows`. Of a
# customer with more than a hundred answers the profile has the newest hundred.
FILL = """
    INSERT INTO answers (source, survey, response_id, customer_id, metric, score, answered_at,
                         complete, history, said)
    SELECT r->>'source', r->>'survey', r->>'response_id', p.customer_id,
        coalesce(r->>'metric', 'nps'),
        CASE WHEN coalesce(r->>'metric', 'nps') = 'nps'
                  AND jsonb_typeof(r#>'{answers,score,value}') = 'number'
             THEN (SELECT CAST(n AS smallint)
                   FROM (SELECT CAST(r#>>'{answers,score,value}' AS numeric) AS n) AS read
                   WHERE n BETWEEN 0 AND 10 AND n = trunc(n))
        END,
        CAST(coalesce(r#>>'{platform,1}', r#>>'{earliest,0}') AS timestamptz),
        CAST(r->>'complete' AS boolean),
        coalesce(CAST(r->>'history' AS boolean), false),
        coalesce((
            SELECT jsonb_object_agg(name, answer->'value')
            FROM jsonb_each(r->'answers') AS given (name, answer)
            WHERE name NOT IN ('comment', 'liked_least', 'improve', 'liked_most', 'why')
              AND (jsonb_typeof(answer->'value') IN ('number', 'boolean')
                   OR jsonb_typeof(answer->'value') = 'string'
                      AND length(answer->>'value') <= 64
                   OR jsonb_typeof(answer->'value') = 'array'
                      AND NOT EXISTS (
                          SELECT FROM jsonb_array_elements_text(
                              CASE jsonb_typeof(answer->'value') WHEN 'array'
                              THEN answer->'value' END) AS item
                          WHERE length(item) > 64))
        ), '{}')
    FROM profiles p CROSS JOIN jsonb_each(p.state->'responses') AS known (identity, r)
    ORDER BY 1, 2, 3
    ON CONFLICT (source, survey, response_id) DO NOTHING
"""


def upgrade() -> None:
    # The current state of each response, all its messages merged. Segments are not here: bands are
    # policy. `customer_id` is the customer before any alias; `said` holds its short answers, never
    # a text of her own words.
    op.execute("""
        CREATE TABLE answers (
            source text NOT NULL,
            survey text NOT NULL,
            response_id text NOT NULL,
            customer_id uuid NOT NULL,
            metric text NOT NULL,
            score smallint,
            answered_at timestamptz NOT NULL,
            complete boolean NOT NULL,
            history boolean NOT NULL,
            said jsonb NOT NULL,
            PRIMARY KEY (source, survey, response_id)
        ) WITH (fillfactor = 90)
    """)
    # With the score in the index, a period is counted without the table.
    op.execute("""
        CREATE INDEX answers_period ON answers (answered_at, survey, source) INCLUDE (score)
        WHERE score IS NOT NULL
    """)
    op.execute("CREATE INDEX answers_customer ON answers (customer_id, answered_at)")
    # What a period's response rate and its cases are counted from.
    op.execute("""
        CREATE INDEX facts_period ON facts (kind, occurred_at)
        WHERE kind IN ('survey.invitation.sent', 'case.opened', 'case.resolved', 'case.reopened')
    """)
    # One row per alert of the policy: its lock, and the last period that was compared.
    op.execute("""
        CREATE TABLE figure_watches (
            alert text PRIMARY KEY,
            compared_upto timestamptz,
            compared_at timestamptz
        )
    """)
    # One row per alert and group ('' is all of them together) that ever differed. `since` is when
    # this state began; the figures are those of the comparison that brought it.
    op.execute("""
        CREATE TABLE figure_alerts (
            alert text NOT NULL,
            value text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'quiet')),
            since timestamptz NOT NULL,
            reason text NOT NULL,
            direction text NOT NULL CHECK (direction IN ('down', 'up')),
            periods integer NOT NULL,
            baseline_from timestamptz NOT NULL,
            baseline_to timestamptz NOT NULL,
            period_from timestamptz NOT NULL,
            period_to timestamptz NOT NULL,
            figures jsonb NOT NULL,
            PRIMARY KEY (alert, value)
        )
    """)
    op.execute(FILL)
