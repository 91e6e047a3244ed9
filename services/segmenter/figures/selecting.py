"""The parts that the figures' statements are made of: which answers, whose, in which group. Pure.

Only names of tables and columns stand in the texts; everything from outside is a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.segmenter.figures.question import Grouping, Scope
from services.segmenter.policy.respondents import Respondents

#: The customer whose state counts, of a row's owner.
PERSON: Final = "coalesce(al.survivor_id, an.customer_id)"
#: Answers and who gave them.
ANSWERS: Final = """
    answers an LEFT JOIN aliases al ON al.customer_id = an.customer_id
"""
PROFILE: Final = f" LEFT JOIN profiles p ON p.customer_id = {PERSON}"
#: A person, not only a response that nobody's name is known of.
KNOWN: Final = "jsonb_exists(p.state, 'identifiers')"
#: The order of one person's answers, as the profile has it.
PLACE: Final = """
    an.answered_at, (an.source || '/' || an.survey || '/' || an.response_id) COLLATE "C"
"""
#: Whether she left, as `lifecycle` tells it: declared, else by the day of her last order (ISO days
#: sort as texts do, and what is no day is left out).
CHURNED: Final = """
    CASE WHEN lower(p.state #>> '{attributes,lifecycle,value}') = ANY(CAST(:lifecycles AS text[]))
    THEN lower(p.state #>> '{attributes,lifecycle,value}') = 'churned'
    ELSE coalesce(greatest(
        substring(p.state #>> '{attributes,last_order_at,value}'
                  FROM '^[0-9]{4}-[0-9]{2}-[0-9]{2}') COLLATE "C",
        left(p.state #>> '{completed,purchase}', 10) COLLATE "C"
    ) < CAST(:gone_since AS text), false) END
"""
#: A group's name is shown cut; the statistic does not need a novel.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Tests:
    """The condition that finds test respondents by a profile `p`; empty: the policy has none."""

    condition: str
    parameters: Mapping[str, object]


def tests_of(rules: Respondents) -> Tests:
    """Write the policy's rules about test respondents as a condition on `p.state`."""
    told: list[str] = []
    parameters: dict[str, object] = {}
    for number, (name, values) in enumerate(sorted(rules.attributes.items())):
        parameters[f"test_name_{number}"] = name
        parameters[f"test_values_{number}"] = [value.casefold() for value in values]
        told.append(
            f"lower(btrim(p.state #>> ARRAY['attributes', CAST(:test_name_{number} AS text), "
            f"'value'])) = ANY(CAST(:test_values_{number} AS text[]))"
        )
    patterns = [f"email:%@{domain}" for domain in rules.domains]
    patterns += [f"email:%.{domain}" for domain in rules.domains]
    patterns += [f"external\\_id:{_like(pattern)}" for pattern in rules.external_ids]
    if patterns:
        parameters["test_patterns"] = patterns
        told.append(
            "EXISTS (SELECT FROM jsonb_object_keys(p.state->'identifiers') AS named (name) "
            "WHERE name LIKE ANY(CAST(:test_patterns AS text[])))"
        )
    return Tests(" OR ".join(f"coalesce({one}, false)" for one in told), parameters)


def _like(pattern: str) -> str:
    """Write a pattern with `*` and `?` as one of LIKE."""
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%").replace("?", "_")


def people_only(tests: Tests) -> str:
    """Leave test respondents out, where the policy names any; begins with AND."""
    return f" AND NOT ({tests.condition})" if tests.condition else ""


def scored(scope: Scope) -> str:
    """Keep the answers with a score of the scope."""
    return f"""
        an.score IS NOT NULL AND an.answered_at >= :start AND an.answered_at < :end
        {named(scope)}
    """


def named(scope: Scope) -> str:
    """Keep those of the scope's survey and source; begins with AND."""
    survey = " AND an.survey = :survey" if scope.survey is not None else ""
    return survey + (" AND an.source = :source" if scope.source is not None else "")


def parameters(scope: Scope, tests: Tests) -> dict[str, object]:
    """Give the values that `scored`, `named` and `people_only` ask for."""
    found: dict[str, object] = {"start": scope.period.start, "end": scope.period.end}
    if scope.survey is not None:
        found["survey"] = scope.survey
    if scope.source is not None:
        found["source"] = scope.source
    return {**found, **tests.parameters}


def group_of(by: Grouping | None) -> str:
    """Write what answers are grouped by first, as it is stored: one value, or a list of them."""
    if by is None:
        return "CAST(NULL AS jsonb)"
    if by.kind == "attribute":
        return "p.state #> ARRAY['attributes', CAST(:group_name AS text), 'value']"
    return "an.said -> CAST(:group_name AS text)"


#: Turns groups as stored (`raw.v`) into those shown (`told.value`): of a list each item is one, and
#: none is NULL. After the counting, so for a few hundred groups and not for each answer.
ITEMS: Final = f"""
    LEFT JOIN LATERAL (
        SELECT DISTINCT left(item, {_LONGEST}) AS value FROM jsonb_array_elements_text(
            CASE jsonb_typeof(raw.v) WHEN 'array' THEN raw.v
            ELSE jsonb_build_array(raw.v) END) AS items (item)
    ) AS told ON true
"""  # noqa: S608 - names of columns, nothing from outside
