"""Staff and test respondents: whose answers try the path out and are nobody's opinion. Pure.

In: a profile and the policy. Out: the rule that makes her one, or None. Deliveries and profiles of
hers go to sandbox targets only; statistics and survey eligibility leave her out.
"""

from fnmatch import fnmatchcase

from services.segmenter.policy.respondents import Respondents
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import fitted, said
from services.segmenter.profile.state import Profile
from shared.events.vocabulary import Value


def is_test(profile: Profile, policy: Policy) -> bool:
    """Tell whether she is staff or a test respondent."""
    return rule_for(profile, policy) is not None


def rule_for(profile: Profile, policy: Policy) -> str | None:
    """Name the rule that makes her a test respondent (nothing personal in it); None: none does.

    One identifier of many is enough: between a test too few and an offer to a colleague that counts
    as a customer's, the mistake that reaches nobody is the smaller one.
    """
    rules = policy.test_respondents
    for name, values in rules.attributes.items():
        word = said(profile, policy, name)
        if word is not None and not _words(word, policy, name).isdisjoint(
            wanted for value in values for wanted in _words(value, policy, name)
        ):
            return f"attribute {name}"
    if not rules.domains and not rules.external_ids:
        return None
    found = (_of_identifier(name, rules) for name in sorted(profile.identifiers))
    return next((rule for rule in found if rule is not None), None)


def _of_identifier(name: str, rules: Respondents) -> str | None:
    kind, _, value = name.partition(":")
    if kind == "email":
        domain = value.rpartition("@")[2]
        wanted = next((d for d in rules.domains if f".{domain}".endswith(f".{d}")), None)
        return f"domain {wanted}" if wanted else None
    if kind == "external_id":
        pattern = next((p for p in rules.external_ids if fnmatchcase(value, p)), None)
        return f"customer number like {pattern}" if pattern else None
    return None


def _words(value: Value, policy: Policy, name: str) -> frozenset[str]:
    """Write a value as it was said and in its type's form, without case: either may be meant."""
    both = (value, fitted(value, policy, name))
    return frozenset(
        str(one).strip().casefold() for one in both if one is not None and not isinstance(one, list)
    )
