"""The customer as plays and campaign platforms see her. Pure."""

from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Final, cast, get_args
from zoneinfo import available_timezones

from services.segmenter.cases.cases import recovered_from
from services.segmenter.cases.urgent import asks, raised_of, wants_a_call
from services.segmenter.decide.lifecycle import lifecycle
from services.segmenter.decide.maturity import maturity
from services.segmenter.decide.waits import Waits
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import by_one_name, fitting, text
from services.segmenter.profile.bounces import closed_since
from services.segmenter.profile.called_by import called_by
from services.segmenter.profile.facts import ORDER
from services.segmenter.profile.segments import segment_of, streak
from services.segmenter.profile.state import Profile, Response
from services.segmenter.themes.themes import ThemeFinder, newest
from shared.events.decisions import Snapshot
from shared.events.vocabulary import Channel, Identifier, IdentifierKind, Tone, Value

#: Attributes with a field of their own, here or in the decision.
_NAMED: Final = frozenset(
    {"title", "first_name", "last_name", "tone", "language", "group", "zone", "contact_hold_until"}
)
#: A platform's field holds no novel, and a decision must fit one record of the bus.
_LONGEST_COMMENT: Final = 5000
#: The same for identifiers of one kind, and for attributes: far more than a person has, and few
#: enough when an upstream system gives one customer number to thousands of people.
_MOST_IDENTIFIERS: Final = 20
_MOST_ATTRIBUTES: Final = 200
_TONES: Final = get_args(Tone)
_CHANNEL_OF: Final[dict[str, tuple[Channel, ...]]] = {"email": ("email",), "phone": ("sms", "call")}


def snapshot(
    profile: Profile,
    policy: Policy,
    themes: ThemeFinder,
    held: Waits,
    *,
    now: datetime,
    about: Response | None = None,
) -> Snapshot:
    """Build the snapshot as of `now`; all of it is read under this policy.

    `about` is the answer that is the cause: what is urgent in it is told, whichever is the newest.
    """
    scored = profile.scored
    latest = scored[-1] if scored else None
    previous = scored[-2] if len(scored) > 1 else None
    firsts = [r.answered_at for r in scored[:1]]
    if profile.forgotten.first_answered_at is not None:
        firsts.append(profile.forgotten.first_answered_at)
    comment = latest.said("comment") if latest else None
    told = newest(profile, policy, themes)
    tone = text(profile, policy, "tone")
    return Snapshot(
        score=latest.score if latest else None,
        segment=segment_of(latest, policy) if latest else None,
        previous_segment=segment_of(previous, policy) if previous else None,
        response_count=len(scored) + profile.forgotten.scored,
        first_answered_at=min(firsts, default=None),
        last_answered_at=latest.answered_at if latest else None,
        streak=streak(scored, policy),
        recovered_from=recovered_from(profile, policy),
        comment=comment[:_LONGEST_COMMENT] if isinstance(comment, str) and comment else None,
        theme=told.theme,
        theme_confidence=told.confidence,
        pains=told.pains,
        strengths=told.strengths,
        escalations=told.escalations if about is None else raised_of(about, profile, policy),
        maturity=maturity(profile, policy, now, pains=told.pains, escalations=told.escalations),
        lifecycle=lifecycle(profile, policy, now),
        called_by=called_by(profile, policy),
        language=text(profile, policy, "language"),
        tone=cast(Tone, tone) if tone in _TONES else None,
        title=text(profile, policy, "title"),
        first_name=text(profile, policy, "first_name"),
        last_name=text(profile, policy, "last_name"),
        next_survey_at=held.next_survey_at,
        fatigue_threshold=held.fatigue_threshold,
        callback_requested=wants_a_call(profile) if about is None else asks(about),
        panel_opt_in=latest is not None and latest.said("panel_opt_in") is True,
        attributes=attributes(profile, policy),
    )


def waiting(held: Waits) -> dict[str, object]:
    """List the parts of a snapshot that holds decide."""
    return {
        "next_survey_at": held.next_survey_at,
        "fatigue_threshold": held.fatigue_threshold,
    }


def attributes(profile: Profile, policy: Policy) -> dict[str, Value]:
    """List the attributes without a field of their own; None was cleared and must be told so.

    At most 200, those said last. One that does not fit its type is not told: what a platform knows
    of it stands.
    """
    found = [item for item in by_one_name(profile, policy) if item[0] not in _NAMED]
    if len(found) > _MOST_ATTRIBUTES:
        found = sorted(found, key=lambda item: (item[1].order, item[0]))[-_MOST_ATTRIBUTES:]
    typed = (
        (name, fitting(attribute.value, policy.attributes.get(name)))
        for name, attribute in sorted(found)
    )
    return {name: read.value for name, read in typed if read.wrong is None}


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """List the zones of this machine once: it reads a folder."""
    return frozenset(available_timezones())


def group(profile: Profile, policy: Policy) -> str | None:
    """Name her household or account."""
    return text(profile, policy, "group")


def zone(profile: Profile, policy: Policy) -> tuple[str, str]:
    """Tell her time zone and where it comes from."""
    said = (text(profile, policy, "zone") or "").strip()
    if said in _zones():
        return said, "attribute"
    country = (text(profile, policy, "country") or "").strip().upper()
    code = text(profile, policy, policy.quality.postal_code_attribute)
    if code and (found := _zone_of_code(policy, country, code)):
        return found, "postal code"
    if found := policy.zones.countries.get(country):
        return found, "country"
    if policy.zones.sources and (found := _zone_of_source(profile, policy)):
        return found, "source"
    return policy.zones.default, "default"


#: Some thousand codes have most of a country's people.
@lru_cache(maxsize=8192)
def _zone_of_code(policy: Policy, country: str, code: str) -> str | None:
    """Look where in her country she lives; an address without one is in that of the default zone.

    As people write a code: with blanks, or its country before it (F-97400).
    """
    zones = policy.zones
    known = (
        [country]
        if country
        else [one for one, zone in zones.countries.items() if zone == zones.default]
    )
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    for one in known:
        bare = plain.removeprefix(one).removeprefix(one[0]) if plain[:1].isalpha() else plain
        for pattern, zone in zones.postal_codes.get(one, {}).items():
            if fnmatchcase(plain, pattern) or fnmatchcase(bare, pattern):
                return zone
    return None


def _zone_of_source(profile: Profile, policy: Policy) -> str | None:
    """Look where the tool is that she answered last."""
    newest = profile.scored[-1] if profile.scored else None
    return policy.zones.sources.get(newest.source) if newest else None


def identifiers(profile: Profile) -> tuple[Identifier, ...]:
    """List how she is known: by kind, an address that works first, then the one named last.

    At most 20 of a kind.
    """

    def rank(name: str) -> tuple[int, bool, float, str]:
        kind = name.partition(":")[0]
        closed = bool(profile.bounces) and any(
            closed_since(profile, channel, name) for channel in _CHANNEL_OF.get(kind, ())
        )
        return ORDER.index(kind), closed, -profile.identifiers[name].last.timestamp(), name

    found = [name.partition(":") for name in sorted(profile.identifiers, key=rank)]
    if len(found) > _MOST_IDENTIFIERS:
        kinds = groupby(found, itemgetter(0))
        found = [one for _, kind in kinds for one in islice(kind, _MOST_IDENTIFIERS)]
    return tuple([Identifier(kind=cast(IdentifierKind, k), value=v) for k, _, v in found])
