"""Survey clocks and rests: what must wait, why, and until when. Pure.

Each rule tells its hold from the facts alone, even one that has ended: so the next date is the same
whenever it is asked, and every rule can be shown. A hold stands while `now < until`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from services.segmenter.cases.cases import holding
from services.segmenter.decide.complaints import complaint
from services.segmenter.decide.echoes import foreign
from services.segmenter.decide.permits import permits_of
from services.segmenter.policy.clocks import Clock, Family
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import believed
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Contact, Profile, once
from shared.events.decisions import Hold, TraceLine

_FIRST_YEAR: Final = 1970
#: "For ever": far from the calendar's end, so that neither another zone nor a policy's days
#: overflow it, and a date that every platform can hold.
NEVER: Final = datetime(2199, 12, 31, tzinfo=UTC)

Rule = Callable[[Profile, Policy], Hold | None]

#: The attribute in which the operator's own systems put a hold: an ISO moment.
CONTACT_HOLD: Final = "contact_hold_until"
#: The attribute that says since when she is a customer: an ISO date or moment.
CUSTOMER_SINCE: Final = "customer_since"


def survey_family(profile: Profile, policy: Policy) -> Hold | None:
    """Space out the surveys of the family that the date told to platforms is about."""
    general = policy.clocks.general
    return None if general is None else of_family(profile, policy, _named(general, policy))


def any_survey(profile: Profile, policy: Policy) -> Hold | None:
    """Space out surveys of whatever kind; a message that carried one need not say which."""
    clock = policy.clocks.any_survey
    starts = _starts(profile, clock, lambda _survey: True)
    if "sent" in clock.counts:
        starts += [c.at for c in _contacts(profile) if c.contact_class == "survey"]
    return _survey_clock("any_survey", "of a survey", starts, clock.days)


def after_contact(profile: Profile, policy: Policy) -> Hold | None:
    """Do not ask right after a message, ours or anybody's."""
    contacts = [contact.at for contact in _contacts(profile)]
    days = policy.clocks.after_contact_days
    if not contacts or not days:
        return None
    return _hold("after_contact", max(contacts), days, f"contacted less than {days} days ago")


def new_customer(profile: Profile, policy: Policy) -> Hold | None:
    """Let a new customer see something before she is asked."""
    since, days = moment(believed(profile, policy, CUSTOMER_SINCE)), policy.clocks.new_customer_days
    if since is None or not days:
        return None
    return _hold("new_customer", since, days, f"a customer for less than {days} days")


def marketing_rest(profile: Profile, policy: Policy) -> Hold | None:
    """Do not sell to someone who has just complained."""
    scored, days = profile.scored, policy.rests.marketing_after_detractor_days
    if not days or not scored or segment_of(scored[-1], policy) != "detractor":
        return None
    return Hold(
        rule="marketing_rest",
        classes=("marketing",),
        reason=f"the newest answer, less than {days} days ago, is a detractor's",
        until=scored[-1].answered_at + timedelta(days=days),
    )


def open_case(profile: Profile, policy: Policy) -> Hold | None:
    """Neither ask nor sell while somebody works on her problem."""
    return _case_hold([case.at for case in holding(profile, policy)], policy)


def opening_case(profile: Profile, policy: Policy, opened_at: datetime) -> Hold | None:
    """Tell that hold as it is with one more case: the one that a decision opens itself."""
    return _case_hold([opened_at, *(case.at for case in holding(profile, policy))], policy)


def _case_hold(opened: list[datetime], policy: Policy) -> Hold | None:
    days = policy.rests.open_case_days
    if not opened or not days:
        return None
    return Hold(
        rule="open_case",
        classes=("survey", "marketing"),
        reason=f"a case of hers, opened less than {days} days ago, is not resolved",
        until=max(opened) + timedelta(days=days),
    )


def contact_hold(profile: Profile, policy: Policy) -> Hold | None:
    """Obey a hold that the operator's own systems set."""
    until = moment(believed(profile, policy, CONTACT_HOLD))
    if until is None:
        return None
    return Hold(
        rule="contact_hold",
        classes=("survey", "marketing", "service"),
        reason=f"held by the attribute {CONTACT_HOLD}",
        until=until,
    )


#: In the order asked.
RULES: Final[tuple[Rule, ...]] = (
    contact_hold,
    survey_family,
    any_survey,
    after_contact,
    new_customer,
    marketing_rest,
    open_case,
    complaint,
)


# Surveys' names come from outside: as many are remembered as any house has, and not all there are.
@lru_cache(maxsize=4096)
def family_of(survey: str, policy: Policy) -> Family | None:
    """Find the family of a survey: the first with a pattern that fits; None: it has none."""
    return next((f for f in policy.clocks.families if fits(survey, f.surveys)), None)


def of_family(profile: Profile, policy: Policy, family: Family) -> Hold | None:
    """Tell the hold of one family's clock: all its surveys start it, and it is one for all."""

    def fits(survey: str) -> bool:
        found = family_of(survey, policy)
        return found is not None and found.name == family.name

    starts = _starts(profile, family, fits)
    return _survey_clock("survey_family", f"in the family {family.name}", starts, family.days)


def of_survey(profile: Profile, policy: Policy, survey: str) -> Hold | None:
    """Tell the hold of one survey's own clock, which no other survey starts."""
    clock = next((c for c in policy.clocks.this_survey if fits(survey, c.surveys)), None)
    if clock is None:
        return None
    starts = _starts(profile, clock, lambda other: other == survey)
    return _survey_clock("this_survey", "of this survey", starts, clock.days)


@once
def asked(profile: Profile, policy: Policy) -> Mapping[str, Hold | None]:
    """Ask every rule, in order."""
    return {rule.__name__: rule(profile, policy) for rule in RULES}


def holds(profile: Profile, policy: Policy) -> tuple[Hold, ...]:
    """List the holds of all rules, standing or over."""
    return tuple(hold for hold in asked(profile, policy).values() if hold is not None)


def standing(found: tuple[Hold, ...], now: datetime) -> tuple[Hold, ...]:
    """Keep the holds that still refuse."""
    return tuple(hold for hold in found if now < hold.until)


def without(found: tuple[Hold, ...], lifted: frozenset[str]) -> tuple[Hold, ...]:
    """Lift rules off a re-survey: it belongs to the answer that was asked before."""
    if not lifted:
        return found
    kept = []
    for hold in found:
        classes = tuple(c for c in hold.classes if c != "survey" or hold.rule not in lifted)
        if classes:
            kept.append(hold.model_copy(update={"classes": classes}))
    return tuple(kept)


def next_survey_at(profile: Profile, policy: Policy, found: tuple[Hold, ...]) -> datetime | None:
    """Tell when the last hold on surveys ends; None: nothing ever held her.

    `NEVER` while no channel is open for a survey: platforms and survey tools read nothing but this
    date, so it must say what the eligibility answer says, until she takes her refusal back.
    """
    if not any(permit.allowed for permit in permits_of(profile, policy, "survey")):
        return NEVER
    return max((hold.until for hold in found if "survey" in hold.classes), default=None)


def trace(
    answers: Mapping[str, Hold | None], now: datetime, lifted: frozenset[str] = frozenset()
) -> tuple[TraceLine, ...]:
    """Tell every rule's answer, in the order asked, with its next date."""
    return tuple(_line(rule, hold, now, lifted) for rule, hold in answers.items())


def _line(rule: str, hold: Hold | None, now: datetime, lifted: frozenset[str]) -> TraceLine:
    if hold is None:
        return _free(rule)
    if rule in lifted and now < hold.until:
        return TraceLine(rule=rule, outcome="open", reason="lifted: it is asked how her case went")
    if now < hold.until:
        return TraceLine(rule=rule, outcome="holds", reason=hold.reason, until=hold.until)
    return TraceLine(rule=rule, outcome="open", reason="its time is over", until=hold.until)


@lru_cache
def _free(rule: str) -> TraceLine:
    """Build the line of a rule that found nothing, which most decisions hold of most rules."""
    return TraceLine(rule=rule, outcome="open", reason="nothing to wait for")


def moment(value: object) -> datetime | None:
    """Read an attribute as a moment (a date means its midnight, no zone means UTC).

    "For ever", such as the year 9999, is taken as the end of our calendar.
    """
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.year < _FIRST_YEAR:
        return None
    if found.year > NEVER.year:
        return NEVER
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _named(name: str, policy: Policy) -> Family:
    return next(family for family in policy.clocks.families if family.name == name)


def _contacts(profile: Profile) -> tuple[Contact, ...]:
    return (*profile.own.values(), *foreign(profile))


def _starts(profile: Profile, clock: Clock, fits: Callable[[str], bool]) -> list[datetime]:
    found = [
        at
        for survey, ways in profile.asked.items()
        if fits(survey)
        for way, at in ways.items()
        if way == "asked" or way in clock.counts
    ]
    if "answered" in clock.counts:
        found += [r.answered_at for r in profile.responses.values() if fits(r.survey)]
    return found


def _survey_clock(rule: str, what: str, starts: list[datetime], days: int) -> Hold | None:
    if not days or not starts:
        return None
    return _hold(rule, max(starts), days, f"asked or answered {what} less than {days} days ago")


@lru_cache(maxsize=4096)
def fits(survey: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of the patterns is the survey's."""
    return any(fnmatchcase(survey, pattern) for pattern in patterns)


def _hold(rule: str, since: datetime, days: int, reason: str) -> Hold:
    return Hold(rule=rule, classes=("survey",), reason=reason, until=since + timedelta(days=days))
