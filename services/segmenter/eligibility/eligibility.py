"""May she be asked this survey, about this experience? Pure.

In: a profile, what is asked, the policy, the time. Out: a verdict: every rule that refuses, in the
order asked, with its end, and the first moment at which none does. Beside the clocks that hold for
every survey there are rules of the survey and the experience asked about. Windows are counted as
clocks are: a day is 24 hours from the experience's own moment, in no time zone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from services.segmenter.cases import cases
from services.segmenter.decide import clocks
from services.segmenter.decide.permits import permits_of
from services.segmenter.policy.asking import AfterExperience, Worth
from services.segmenter.policy.clocks import Family
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import believed
from services.segmenter.profile.respondents import rule_for
from services.segmenter.profile.state import Profile, Response
from shared.events.decisions import Hold
from shared.events.ids import content_hash
from shared.events.vocabulary import Channel, Value

#: What a survey would ask of nearly everybody, and what is known of many.
_ABOUT_HER: Final = ("language", "tone", "title", "first_name", "last_name")
#: The hexadecimal digits of a hash that draw the lot: 48 bits, which a float holds exactly.
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Experience:
    """What she would be asked about, as whoever asks names it."""

    kind: str
    at: datetime
    value: float | None = None
    experience_id: str | None = None

    def after(self, days: int) -> datetime:
        """Tell the moment so many times 24 hours later.

        Counted in UTC: within a zone, Python would add days of the calendar there.
        """
        return self.at.astimezone(UTC) + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `who` is her id, or how she was named if nobody is known by it yet."""

    survey: str
    family: Family | None
    who: str
    channel: Channel | None = None
    experience: Experience | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and until when; None: time alone never changes it."""

    rule: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every refusal in the order asked: none, and she may be asked now.

    `next_at` is the first moment at which none is left; None where that is now, or never. `exempt`
    says why rules that would refuse do not: the survey asks how her case went.
    """

    refusals: tuple[Refusal, ...]
    next_at: datetime | None
    exempt: str | None = None


Rule = Callable[[Profile, Asked, Policy, datetime], Refusal | None]


def judge(
    profile: Profile,
    asked: Asked,
    policy: Policy,
    now: datetime,
    others: Sequence[Profile] = (),
) -> Verdict:
    """Ask every rule.

    `others`: whom else she may be, because her identifiers disagree. The survey may reach any of
    them, so of what each rule says about them the strictest counts.
    """
    people = [(one, _lifted(one, asked, policy, now)) for one in (profile, *others)]
    refusals: list[Refusal] = []
    exempt = False
    for rule in RULES:
        strictest: Refusal | None = None
        for one, lifted in people:
            refusal = rule(one, asked, policy, now)
            if refusal is None:
                continue
            if refusal.rule in lifted:
                exempt = True
            elif strictest is None or _ends_later(refusal, strictest):
                strictest = refusal
        if strictest is not None:
            refusals.append(strictest)
    verdict = _verdict(tuple(refusals), asked, cases.EXEMPT if exempt else None)
    return verdict if others or not refusals else _sooner(verdict, profile, asked, policy, now)


def _verdict(refusals: tuple[Refusal, ...], asked: Asked, exempt: str | None) -> Verdict:
    ends = [refusal.until for refusal in refusals if refusal.until is not None]
    if not ends or len(ends) < len(refusals):
        return Verdict(refusals, None, exempt)
    next_at = max(ends)
    closes = _closes(asked)
    if closes is None or next_at < closes:
        return Verdict(refusals, next_at, exempt)
    reason = "too late by then: the other reasons last until the window has closed"
    return Verdict((*refusals, Refusal("ask_window", reason, None)), None, exempt)


def _about_cases(asked: Asked, policy: Policy) -> bool:
    return clocks.fits(asked.survey, policy.cases.resurvey_surveys)


def _lifted(profile: Profile, asked: Asked, policy: Policy, now: datetime) -> frozenset[str]:
    """List the rules that do not hold this survey, because it asks her how her case went."""
    return cases.lifted(profile, policy, now) if _about_cases(asked, policy) else frozenset()


def _sooner(
    verdict: Verdict, profile: Profile, asked: Asked, policy: Policy, now: datetime
) -> Verdict:
    """Name the moment of the question after her case, where the clocks alone would end later."""
    due = next((at for at in cases.resurveys(profile, policy).values() if at > now), None)
    if due is None or verdict.next_at is None or not _about_cases(asked, policy):
        return verdict
    exempt = policy.cases.resurvey_exempt_from
    ends = [r.until for r in verdict.refusals if r.rule not in exempt and r.until is not None]
    at = max((due, *ends))
    return (
        verdict if at >= min(verdict.next_at, due + cases.ASKABLE) else replace(verdict, next_at=at)
    )


def respondent(profile: Profile, _asked: Asked, policy: Policy, _now: datetime) -> Refusal | None:
    """Leave out staff and test respondents: their answers are nobody's opinion."""
    rule = rule_for(profile, policy)
    return None if rule is None else Refusal("test_respondent", f"staff or a test: {rule}", None)


def consented(profile: Profile, asked: Asked, policy: Policy, _now: datetime) -> Refusal | None:
    """Obey a refusal of surveys: on the channel asked about, else only one on all of them."""
    found = permits_of(profile, policy, "survey")
    if asked.channel is not None:
        found = tuple(permit for permit in found if permit.channel == asked.channel)
        if not found:
            return Refusal("consent", "the policy permits no survey on this channel", None)
    if any(permit.allowed for permit in found):
        return None
    return Refusal("consent", found[0].reason, None)


def this_survey(profile: Profile, asked: Asked, policy: Policy, now: datetime) -> Refusal | None:
    """Space out one survey by itself."""
    return _standing(clocks.of_survey(profile, policy, asked.survey), now)


def survey_family(profile: Profile, asked: Asked, policy: Policy, now: datetime) -> Refusal | None:
    """Space out the surveys of its family."""
    if asked.family is None:
        return None
    return _standing(clocks.of_family(profile, policy, asked.family), now)


def ask_window(_profile: Profile, asked: Asked, _policy: Policy, now: datetime) -> Refusal | None:
    """Ask about an experience not too early and not too late; unnamed, it cannot be either."""
    window = _window(asked)
    if asked.experience is None or window is None:
        return None
    opens = asked.experience.after(window.from_days)
    if now < opens:
        reason = f"too early: the experience is less than {window.from_days} days old"
        return Refusal("ask_window", reason, opens)
    if now < asked.experience.after(window.to_days):
        return None
    reason = f"too late: the experience is {window.to_days} days old or older"
    return Refusal("ask_window", reason, None)


def worth_asking(_profile: Profile, asked: Asked, policy: Policy, _now: datetime) -> Refusal | None:
    """Ask only about what deserves it: enough value, and among the share that is asked."""
    experience = asked.experience
    if experience is None:
        return None
    worth = next((one for one in policy.worth_asking if one.kind == experience.kind), None)
    reason = None if worth is None else _unworthy(worth, asked, experience)
    return None if reason is None else Refusal("worth_asking", reason, None)


def _unworthy(worth: Worth, asked: Asked, experience: Experience) -> str | None:
    if worth.minimum_value is not None:
        if experience.value is None:
            return f"no value is told, and this kind is asked about from {worth.minimum_value:g} on"
        if experience.value < worth.minimum_value:
            return f"its value is less than {worth.minimum_value:g}"
    if _lot(asked, experience) < worth.share:
        return None
    return f"not among the {worth.share:.2%} of this kind that are asked about"


def _lot(asked: Asked, experience: Experience) -> float:
    """Draw from 0 to 1, the same for ever: nobody asks again until the answer is yes.

    Without an id, an experience is named by its kind and moment.
    """
    named = experience.experience_id or [experience.kind, experience.at.timestamp()]
    drawn = content_hash(["worth_asking", asked.who, asked.survey, named])
    # The first digits: those behind them hold the marks of a version 5 UUID.
    return int(drawn[:_DIGITS], 16) / 16**_DIGITS


def _of_everybody(rule: clocks.Rule) -> Rule:
    """Take over a rule that holds for every survey."""

    def asks(profile: Profile, _asked: Asked, policy: Policy, now: datetime) -> Refusal | None:
        return _standing(rule(profile, policy), now)

    return asks


#: In the order asked: what may never be, what she or the operator stopped, how often, whether it
#: is worth it. The family that decisions speak of gives way to that of the survey asked about.
RULES: Final[tuple[Rule, ...]] = (
    respondent,
    consented,
    *(_of_everybody(rule) for rule in clocks.RULES if rule is not clocks.survey_family),
    this_survey,
    survey_family,
    ask_window,
    worth_asking,
)


def _ends_later(refusal: Refusal, other: Refusal) -> bool:
    """Compare the ends of two refusals; one without an end never ends."""
    if refusal.until is None or other.until is None:
        return refusal.until is None and other.until is not None
    return refusal.until > other.until


def _standing(hold: Hold | None, now: datetime) -> Refusal | None:
    if hold is None or "survey" not in hold.classes or hold.until <= now:
        return None
    return Refusal(hold.rule, hold.reason, hold.until)


def _window(asked: Asked) -> AfterExperience | None:
    return asked.family.after_experience if asked.family is not None else None


def _closes(asked: Asked) -> datetime | None:
    window = _window(asked)
    if asked.experience is None or window is None:
        return None
    return asked.experience.after(window.to_days)


def newest_response(profile: Profile, asked: Asked, policy: Policy) -> Response | None:
    """Find her newest answer to this survey's family, or to this survey where it has none."""

    def related(survey: str) -> bool:
        if asked.family is None:
            return survey == asked.survey
        family = clocks.family_of(survey, policy)
        return family is not None and family.name == asked.family.name

    found = [response for response in profile.responses.values() if related(response.survey)]
    return max(found, key=lambda response: response.place, default=None)


def known_attributes(profile: Profile, policy: Policy, wanted: tuple[str, ...]) -> dict[str, Value]:
    """List what a survey need not ask: language, tone and names, and the attributes wanted."""
    values = {name: believed(profile, policy, name) for name in (*_ABOUT_HER, *wanted)}
    return {name: value for name, value in values.items() if value is not None}
