"""One customer as figures and data quality read her. Pure.

In: her profile, the policy, how identifiers are normalised. Out: whether she counts, when she left,
what is wrong with her data, by which words she is grouped, and what a twin of hers would share.

It depends on the policy, so it is kept beside the profile and never in it; `rules_of` names all
that it depends on: under other rules everybody is read anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Final
from uuid import UUID

from services.segmenter.decide.lifecycle import left_at
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import other_names, told
from services.segmenter.profile.respondents import is_test
from services.segmenter.profile.state import Profile
from services.segmenter.quality.quality import Flag, Person, keys_of, person
from services.segmenter.quality.wrong import oldest_yes, wrong_with
from shared.events.vocabulary import Value
from shared.identifiers import Rules

#: To be raised whenever what is read of a customer changes: then everybody is read anew.
_READING: Final = 2
#: A group's name is kept cut: the statistic does not need a novel.
LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Portrait:
    """One customer who is merged into nobody; a response of nobody's is one, too (not `known`).

    `said` are her attributes, each by one name and in one form, `groups` those that are kept with
    each of her answers.
    """

    customer_id: UUID
    known: bool
    test: bool
    left_at: datetime | None
    oldest_yes: datetime | None
    wrong: frozenset[Flag]
    said: Mapping[str, Value]
    groups: Mapping[str, Value]
    person: Person
    keys: frozenset[int]


def portrait(customer_id: UUID, profile: Profile, policy: Policy, rules: Rules) -> Portrait:
    """Read one customer."""
    said = told(profile, policy)
    kept = dict(_groups(said))
    by_any_name = {**{name: said.get(first) for name, first in other_names(policy).items()}, **said}
    who = person(customer_id, by_any_name, profile.identifiers, policy.quality, rules)
    return Portrait(
        customer_id,
        profile.known,
        is_test(profile, policy),
        left_at(profile, policy),
        oldest_yes(profile),
        wrong_with(profile, policy, rules),
        kept,
        {name: kept[name] for name in near(policy) if name in kept},
        who,
        keys_of(who),
    )


def near(policy: Policy) -> frozenset[str]:
    """Name the attributes that are kept with each answer, as the policy declares them."""
    names = other_names(policy)
    return frozenset(names.get(name, name) for name in policy.statistics.groupings)


def rules_of(policy: Policy, rules: Rules) -> str:
    """Name the rules that customers are read by."""
    sections = policy.model_dump(mode="json", include={"test_respondents", "quality", "attributes"})
    sections["groupings"] = sorted(policy.statistics.groupings)
    if policy.digests:  # nobody else asks for reasons
        by = {"bands", "feelings", "themes", "escalations"}
        sections["reasons"] = policy.model_dump(mode="json", include=by)
    identifiers = {**asdict(rules), "domains": sorted(rules.domains)}
    return sha256(dumps([_READING, sections, identifiers], sort_keys=True).encode()).hexdigest()


def _groups(said: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    for name, value in said.items():
        if isinstance(value, str):
            yield name, value[:LONGEST]
        elif isinstance(value, list):
            yield name, [item[:LONGEST] if isinstance(item, str) else item for item in value]
        elif value is not None:
            yield name, value
