"""What figures and data quality are read from: one reading of each customer, kept by a sweep."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who changed and is to be read anew: written by whoever changes a customer's row, in the same
    # transaction; taken away by the sweep. No key but its number, so nobody ever waits for it.
    op.execute("""
        CREATE TABLE changed_customers (
            sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            customer_id uuid NOT NULL
        )
    """)
    # One row: how far the sweep is. `rules` names what everybody was read by; `upto` is the last
    # customer of a reading of everybody that is under way (NULL: none is); `round_*` the changes of
    # the round under way; `as_of` is up to when every change is in the tables below.
    op.execute("""
        CREATE TABLE sweeps (
            name text PRIMARY KEY,
            rules text NOT NULL,
            upto uuid,
            customers bigint NOT NULL DEFAULT 0,
            round_last bigint,
            round_at timestamptz,
            as_of timestamptz,
            summary jsonb,
            summary_as_of timestamptz
        )
    """)
    # One row per customer who is merged into nobody. `left_at`: churned once that is long enough
    # ago (declared so: long ago; declared otherwise, or nothing known: NULL). `oldest_yes` is the
    # oldest consent given of those that stand.
    op.execute("""
        CREATE TABLE people (
            customer_id uuid PRIMARY KEY,
            known boolean NOT NULL,
            test boolean NOT NULL,
            left_at timestamptz,
            oldest_yes timestamptz,
            missing_tone boolean NOT NULL,
            missing_name boolean NOT NULL,
            missing_language boolean NOT NULL,
            invalid_phone boolean NOT NULL,
            bounced_address boolean NOT NULL
        )
    """)
    for kind in (
        "missing_tone",
        "missing_name",
        "missing_language",
        "invalid_phone",
        "bounced_address",
        "test",
    ):
        op.execute(f"CREATE INDEX people_{kind} ON people (customer_id) WHERE {kind}")
    op.execute("CREATE INDEX people_yes ON people (oldest_yes) WHERE oldest_yes IS NOT NULL")
    # Attributes that many can have, as they were said: by these figures are grouped.
    op.execute("CREATE TABLE people_said (customer_id uuid PRIMARY KEY, said jsonb NOT NULL)")
    # What one person's two customers would share, as hashes; and the pairs who do.
    op.execute("""
        CREATE TABLE people_keys (
            key bigint NOT NULL,
            customer_id uuid NOT NULL,
            PRIMARY KEY (key, customer_id)
        )
    """)
    op.execute("CREATE INDEX people_keys_customer ON people_keys (customer_id)")
    op.execute("""
        CREATE TABLE suspects (
            customer_id uuid NOT NULL,
            other_id uuid NOT NULL,
            confidence double precision NOT NULL,
            reasons text[] NOT NULL,
            PRIMARY KEY (customer_id, other_id)
        )
    """)
    op.execute("CREATE INDEX suspects_other ON suspects (other_id)")
    # One row per answer with a score, not of a test respondent. `before_*` and `next_*`: her score
    # before and the moment of her next one, among all, of this survey, of this source, of both.
    # `cared_at`: the first contact after it; `resolved_at`: when its case was, `after_*` what she
    # answered first since then. `said`: the attributes by which the policy mostly groups.
    op.execute("""
        CREATE TABLE told_answers (
            customer_id uuid NOT NULL,
            answered_at timestamptz NOT NULL,
            left_at timestamptz,
            next_all timestamptz,
            next_survey timestamptz,
            next_source timestamptz,
            next_both timestamptz,
            cared_at timestamptz,
            resolved_at timestamptz,
            after_at timestamptz,
            after_score smallint,
            score smallint NOT NULL,
            before_all smallint,
            before_survey smallint,
            before_source smallint,
            before_both smallint,
            known boolean NOT NULL,
            source text NOT NULL,
            survey text NOT NULL,
            said jsonb
        )
    """)
    op.execute("CREATE INDEX told_answers_customer ON told_answers (customer_id)")
    op.execute("""
        CREATE INDEX told_answers_period ON told_answers (answered_at, survey, source)
        INCLUDE (score)
    """)
    op.execute("""
        CREATE INDEX told_answers_resolved ON told_answers (answered_at)
        WHERE resolved_at IS NOT NULL
    """)
    op.execute("""
        CREATE TABLE told_cases (
            customer_id uuid NOT NULL,
            opened_at timestamptz NOT NULL,
            resolved_at timestamptz,
            source text,
            survey text
        )
    """)
    op.execute("CREATE INDEX told_cases_customer ON told_cases (customer_id)")
    op.execute("CREATE INDEX told_cases_period ON told_cases (opened_at)")
    # `previous_at`: her invitation to that survey before; `answered_at`: her first answer to it
    # since this one.
    op.execute("""
        CREATE TABLE told_invitations (
            customer_id uuid NOT NULL,
            invited_at timestamptz NOT NULL,
            previous_at timestamptz,
            answered_at timestamptz,
            survey text NOT NULL,
            said jsonb
        )
    """)
    op.execute("CREATE INDEX told_invitations_customer ON told_invitations (customer_id)")
    op.execute("CREATE INDEX told_invitations_period ON told_invitations (invited_at)")
    _mark()
    # Cases and invitations of a period are counted from the tables above now.
    op.execute("DROP INDEX facts_period")


def _mark() -> None:
    """Mark whoever changes, whoever changes her; of her who is gone nothing read stays."""
    op.execute("""
        CREATE FUNCTION mark_changed() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            INSERT INTO changed_customers (customer_id) SELECT DISTINCT customer_id FROM touched;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION forget_read() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            INSERT INTO changed_customers (customer_id) SELECT customer_id FROM touched;
            DELETE FROM people WHERE customer_id IN (SELECT customer_id FROM touched);
            DELETE FROM people_said WHERE customer_id IN (SELECT customer_id FROM touched);
            DELETE FROM suspects WHERE customer_id IN (SELECT customer_id FROM touched);
            DELETE FROM suspects WHERE other_id IN (SELECT customer_id FROM touched);
            DELETE FROM told_answers WHERE customer_id IN (SELECT customer_id FROM touched);
            DELETE FROM told_cases WHERE customer_id IN (SELECT customer_id FROM touched);
            DELETE FROM told_invitations WHERE customer_id IN (SELECT customer_id FROM touched);
            RETURN NULL;
        END $$
    """)
    # A fact is changed where an earlier copy of it is told.
    for table in ("profiles", "facts"):
        op.execute(f"""
            CREATE TRIGGER {table}_changed AFTER UPDATE ON {table}
            REFERENCING NEW TABLE AS touched
            FOR EACH STATEMENT EXECUTE FUNCTION mark_changed()
        """)
    op.execute("""
        CREATE TRIGGER profiles_gone AFTER DELETE ON profiles
        REFERENCING OLD TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION forget_read()
    """)
