"""The parts that the figures' statements are made of: which answers, in which group. Pure.

Only names of tables and columns stand in the texts; everything from outside is a parameter.
"""

from typing import Final, Literal

from services.segmenter.figures.question import Grouping, Scope
from services.segmenter.sweep.portrait import LONGEST

#: Among which of her answers the one before and after is looked for.
Among = Literal["all", "survey", "source", "both"]

#: The answers of test respondents, of whom nothing else is kept for the figures.
NO_TESTS: Final = """
    AND an.customer_id NOT IN (
        SELECT customer_id FROM people WHERE test
        UNION ALL
        SELECT al.customer_id FROM aliases al JOIN people p ON p.customer_id = al.survivor_id
        WHERE p.test)
"""


def among(scope: Scope) -> Among:
    """Tell which answers are before and after each other for a question of this scope."""
    if scope.survey is None:
        return "all" if scope.source is None else "source"
    return "survey" if scope.source is None else "both"


def scored(scope: Scope) -> str:
    """Keep the answers of the scope."""
    return f"an.answered_at >= :start AND an.answered_at < :end {named(scope)}"


def named(scope: Scope, table: str = "an") -> str:
    """Keep those of the scope's survey and source; begins with AND."""
    survey = f" AND {table}.survey = :survey" if scope.survey is not None else ""
    return survey + (f" AND {table}.source = :source" if scope.source is not None else "")


def parameters(scope: Scope) -> dict[str, object]:
    """Give the values that `scored` and `named` ask for."""
    found: dict[str, object] = {"start": scope.period.start, "end": scope.period.end}
    if scope.survey is not None:
        found["survey"] = scope.survey
    if scope.source is not None:
        found["source"] = scope.source
    return found


def said_of(by: Grouping | None) -> str:
    """Write the words of a customer's that her answers and invitations (`an`) are grouped by."""
    if by is None:
        return "CAST(NULL AS jsonb)"
    return f"{'an' if by.near else 's'}.said -> CAST(:group_name AS text)"


def with_said(by: Grouping | None) -> str:
    """Join these words, where they are needed and not kept with each answer."""
    joined = by is not None and not by.near
    return " LEFT JOIN people_said s ON s.customer_id = an.customer_id" if joined else ""


#: Turns groups as stored (`raw.v`) into those shown (`told.value`): of a list each item is one, and
#: none is NULL. After the counting, so for a few hundred groups and not for each answer.
ITEMS: Final = f"""
    LEFT JOIN LATERAL (
        SELECT DISTINCT left(item, {LONGEST}) AS value FROM jsonb_array_elements_text(
            CASE jsonb_typeof(raw.v) WHEN 'array' THEN raw.v
            ELSE jsonb_build_array(raw.v) END) AS items (item)
    ) AS told ON true
"""  # noqa: S608 - names of columns, nothing from outside
