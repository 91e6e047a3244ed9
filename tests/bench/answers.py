"""A base of customers with their answers, invitations, cases and contacts, made by SQL alone.

In: how many answers, and the moment that is now. Out: rows as the segmenter would have written
them: 6 customers for 10 answers over half a year (so half of them in the last quarter), one
invitation for each customer, for each answer of a detractor a contact, and for each customer whose
first answer was one a case that was resolved.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import dump
from shared.events.feedback import ResponseLink
from shared.events.vocabulary import Value
from tests.builders.facts import case, ids_of, updated

#: Rows made in one statement: a statement of a million would hold the server's memory.
_STEP: Final = 100_000
#: When the cases ended.
_LATELY: Final = timedelta(days=60)
#: Stand in a stored profile where each customer has something of her own.
_NUMBER: Final = "00000000"
_STORE: Final = "store-x"
_ORDER: Final = "2020-02-02"
_FIRST_NAME: Final = "Camille"
#: The customer's answer of this number is the one that her case is about.
_ABOUT: Final = "shop/claim/B-00000000"
_ID: Final = "CAST(md5('bench ' || n) AS uuid)"
_SERIES: Final = "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n"
#: Of the answer of a number its customer, moment, score and survey: spread, alike in every run.
_WHO: Final = "CAST(md5('bench ' || 1 + (n - 1) % CAST(:people AS bigint)) AS uuid)"
_WHEN: Final = "CAST(:at AS timestamptz) - n * 104729 % 15552000 * interval '1 second'"
_SCORE: Final = "(ARRAY[0,2,4,5,6,7,7,8,8,8,8,9,9,9,9,9,10,10,10,10])[1 + n * 31 % 20]"
_SURVEY: Final = "(ARRAY['relational','delivery','claim'])[1 + n % 3]"
_PROFILES: Final = f"""
    INSERT INTO segmenter.profiles (customer_id, created_at, version, state)
    SELECT {_ID}, :at, 1, CAST(replace(replace(replace(replace(replace(
        CASE WHEN {_SCORE} < 7 THEN :troubled ELSE CAST(:state AS text) END,
        '{_ABOUT}', 'shop/' || {_SURVEY} || '/B-' || n),
        '{_NUMBER}', lpad(CAST(n AS text), 8, '0')),
        '{_STORE}', 'store-' || n % 120),
        '{_ORDER}', to_char(CAST(:at AS timestamptz) - n % 900 * interval '1 day', 'YYYY-MM-DD')),
        '{_FIRST_NAME}', 'First' || n % 5000) AS jsonb)
    FROM {_SERIES}
"""
_KEYS: Final = f"""
    INSERT INTO segmenter.identifiers (kind, value, customer_id)
    SELECT kind, replace(value, '{_NUMBER}', lpad(CAST(n AS text), 8, '0')), {_ID}
    FROM {_SERIES}, (VALUES ('email', 'client.{_NUMBER}@example.com'),
                            ('external_id', 'C-{_NUMBER}')) AS k (kind, value)
"""
_ANSWERS: Final = f"""
    INSERT INTO segmenter.answers (source, survey, response_id, customer_id, metric, score,
                                   answered_at, complete, history, said)
    SELECT 'shop', {_SURVEY}, 'B-' || n, {_WHO}, 'nps',
           {_SCORE}, {_WHEN}, true, false,
           jsonb_build_object('score', {_SCORE}, 'language', 'fr', 'reasons',
               jsonb_build_array((ARRAY['price','delivery','product','service'])[1 + n % 4]))
    FROM {_SERIES}
"""
_FACTS: Final = """
    INSERT INTO segmenter.facts (event_id, customer_id, kind, occurred_at, identity, received_at,
                                 source, body)
"""
_INVITED: Final = f"""{_FACTS}
    SELECT CAST(md5('invited ' || n) AS uuid), {_ID}, 'survey.invitation.sent', moment,
           'invited ' || n, moment, 'shop',
           jsonb_build_object('survey', {_SURVEY},
               'occurred_at', moment, 'identifiers', jsonb_build_array(jsonb_build_object(
                   'kind', 'email', 'value', 'client.' || lpad(CAST(n AS text), 8, '0')
                                             || '@example.com')))
    FROM {_SERIES}, LATERAL (SELECT {_WHEN} - interval '2 days' AS moment) AS m
"""
_CARE: Final = f"""{_FACTS}
    SELECT CAST(md5('care ' || n) AS uuid), {_WHO}, 'delivery.settled', moment, 'care ' || n,
           moment, 'nps', jsonb_build_object('state', 'accepted', 'contact_class', 'service',
                                     'delivery_id', CAST(md5('d' || n) AS uuid))
    FROM {_SERIES}, LATERAL (SELECT {_WHEN} + interval '1 hour' AS moment) AS m
    WHERE {_SCORE} < 7
"""


async def seed_answers(database: str, answers: int, at: datetime) -> int:
    """Write the base; returns how many customers it has. `database` is its owner's address."""
    people = max(1, answers * 6 // 10)
    engine = create_async_engine(database, poolclass=NullPool)
    try:
        for statement, rows in (
            (_PROFILES, people),
            (_KEYS, people),
            (_INVITED, people),
            (_ANSWERS, answers),
            (_CARE, answers),
        ):
            for first in range(1, rows + 1, _STEP):
                span = {"first": first, "last": min(rows, first + _STEP - 1)}
                known = {"at": at, "people": people, "state": _state(), "troubled": _state(at)}
                asked = {name: known[name] for name in known if f":{name}" in statement}
                async with engine.begin() as connection:
                    await connection.execute(text(statement), {**span, **asked})
        async with engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await plain.execute(text("VACUUM ANALYZE"))
    finally:
        await engine.dispose()
    return people


def _state(troubled: datetime | None = None) -> str:
    """Write the profile of one customer, with what is replaced for each.

    With a moment, she had a case that was resolved then.
    """
    attributes: dict[str, Value] = {
        "first_name": _FIRST_NAME,
        "last_name": "Martin",
        "store": _STORE,
        "plan": "premium",
        "language": "fr",
        "last_order_at": _ORDER,
        "postal_code": "75011",
        "orders_count": 7,
    }
    who = ids_of(f"client.{_NUMBER}@example.com", external_id=f"C-{_NUMBER}")
    told = [updated(*who, attributes=attributes)]
    if troubled is not None:
        source, survey, response_id = _ABOUT.split("/")
        link = ResponseLink(source=source, survey=survey, response_id=response_id)
        opened = troubled - timedelta(days=100)
        told.append(case("opened", f"nps/{_NUMBER}", email=None, at=opened, response=link))
        told.append(case("resolved", f"nps/{_NUMBER}", email=None, at=troubled - _LATELY))
    return dump(rebuild(map(fact_of, told)))
