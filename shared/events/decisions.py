"""Topic `nps.decisions`: who the customer is now, what may be done, and why."""

from typing import Annotated, ClassVar, Final, Literal, get_args
from uuid import UUID

from pydantic import BeforeValidator, Field

from shared.events.vocabulary import (
    Channel,
    ContactClass,
    Fact,
    Identifier,
    MaybeReady,
    Moment,
    Segment,
    Tone,
    Value,
)

MoveKind = Literal["first", "up", "down", "same", "lapsed", "churned"]
#: What a customer is to the house: declared by its systems, else told by orders and dates.
Lifecycle = Literal[
    "cold_prospect", "hot_prospect", "active", "sleeping", "churned", "ambassador", "partner"
]
Trigger = Literal[
    "received",
    "settled",
    "updated",
    "contacted",
    "timer",
    "merged",
    "case_opened",
    "case_resolved",
    "case_reopened",
    "action_completed",
    "resurvey_due",
    "lapsed",
    "callback_asked",
    "escalation_raised",
]
#: What cannot wait, and is no matter of the score: said in an answer without one, or in one that is
#: not her newest, somebody reacts to it all the same.
URGENT: Final[frozenset[Trigger]] = frozenset({"callback_asked", "escalation_raised"})
_TRIGGERS: Final = frozenset(get_args(Trigger))


def _known(triggers: object) -> object:
    """Leave out what only a newer release calls a trigger: no play of ours can wait for it."""
    if not isinstance(triggers, tuple | list):
        return triggers
    return tuple(one for one in triggers if not isinstance(one, str) or one in _TRIGGERS)


class MaturityFactor(Fact):
    """One reason for or against a promoter's readiness to be an ambassador, and its points."""

    name: str
    points: int
    reason: str


class Maturity(Fact):
    """Whether a promoter is ready to be an ambassador: points, and what stands in the way.

    `gates` names what refuses her whatever the points; `ready` only with none of them.
    """

    points: int
    ready: bool
    gates: tuple[str, ...] = ()
    factors: tuple[MaturityFactor, ...] = ()


class Snapshot(Fact):
    """The customer as the decision sees her: all that a play or a campaign platform may need.

    `theme` is the first of what the newest answer names; `pains` and `strengths` list all themes
    with their polarity, `escalations` the topics that beat the band. `streak` counts the newest
    answers in a row in the present segment. `recovered_from` is the score before a case of hers,
    while `score` is the one she gave after it was resolved. `fatigue_threshold` is how many
    marketing messages a week she bears at most now (0: none). `panel_opt_in` is what she ticked in
    the newest answer. Newest is the newest with a score of NPS. `callback_requested` and
    `escalations` are those of the answer that is the cause, which may have no score or be an older
    one; where no answer is the cause, whether a request stands, and those of the newest.
    """

    score: int | None = None
    segment: Segment | None = None
    previous_segment: Segment | None = None
    response_count: int = 0
    first_answered_at: Moment | None = None
    last_answered_at: Moment | None = None
    recovered_from: int | None = None
    comment: str | None = None
    theme: str | None = None
    theme_confidence: float | None = None
    pains: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    escalations: tuple[str, ...] = ()
    streak: int = 0
    maturity: Maturity | None = None
    lifecycle: Lifecycle | None = None
    called_by: str | None = None
    fatigue_threshold: int | None = None
    callback_requested: bool = False
    panel_opt_in: bool = False
    language: str | None = None
    tone: Tone | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    next_survey_at: Moment | None = None
    attributes: dict[str, Value] = Field(default_factory=dict)


class Cause(Fact):
    """What happened, told the same way by every message about it.

    `id` is the response with all its revisions, the case with all its steps, or the single fact
    (`ids.…_cause`). `triggers` says which plays may look at it; none may where it is empty. `late`
    says that a newer answer, or a later step of the case, is known, so nobody reacts to this one,
    but to what is `URGENT`.
    `deadline_from` is the moment from which maximum ages count (the answer, not its receipt);
    `what` names what a customer completed.
    """

    id: UUID
    kind: Literal[
        "response", "survey_contact", "customer", "message", "timer", "merge", "case", "action"
    ]
    triggers: Annotated[tuple[Trigger, ...], BeforeValidator(_known)]
    deadline_from: Moment
    source: str | None = None
    survey: str | None = None
    what: str | None = None
    late: bool = False


class DecidedCase(Fact):
    """The case that this decision is about; `due_at`: by when somebody should have called.

    `reference` is the number of the ticket that was made for it, as its helpdesk told it.
    """

    case_id: str
    opened_at: Moment
    due_at: Moment
    reason: str
    reference: str | None = None


class Move(Fact):
    """The change of segment that this cause brought.

    `lapsed` (nobody answered for long) and `churned` (a promoter left) leave the segment as it was.
    """

    kind: MoveKind
    before: Segment | None
    after: Segment


class Permit(Fact):
    """Whether a channel is open for a class of contact, by which basis, or why not."""

    contact_class: ContactClass
    channel: Channel
    allowed: bool
    basis: str | None = None
    reason: str


class RollingWindow(Fact):
    """The last `hours` hours, whatever the calendar says."""

    kind: Literal["rolling"] = "rolling"
    hours: Annotated[int, Field(gt=0)]


class CalendarWindow(Fact):
    """The current day, week (from Monday) or month in `zone`."""

    kind: Literal["calendar"] = "calendar"
    unit: Literal["day", "week", "month"]
    zone: str


Window = Annotated[RollingWindow | CalendarWindow, Field(discriminator="kind")]


class Budget(Fact):
    """At most `limit` contacts per window, counted over classes and channels (None: all).

    `foreign` lists the times of contacts that were not ours and still matter to the window.
    """

    name: str
    scope: Literal["person", "group"]
    classes: tuple[ContactClass, ...]
    channels: tuple[Channel, ...] | None
    limit: Annotated[int, Field(gt=0)]
    window: Window
    foreign: tuple[Moment, ...] = ()


class Hold(Fact):
    """A refusal that ends: these classes wait until `until`, because of `reason`."""

    rule: str
    classes: tuple[ContactClass, ...]
    reason: str
    until: Moment


class TraceLine(Fact):
    """One rule's answer, kept so that "why (not)?" is a row and not a debugger."""

    rule: str
    outcome: str
    reason: str
    until: Moment | None = None


class CustomerDecided(Fact):
    """One decision. State is taken only from a higher `version`; planned once per `decision_id`.

    `test`: she is staff or a test respondent, and only the sandbox target may hear of it.
    """

    TYPE: ClassVar[str] = "customer.decided"
    VERSION: ClassVar[str] = "1.5"

    decision_id: UUID
    customer_id: UUID
    version: int
    decided_at: Moment
    cause: Cause
    identifiers: tuple[Identifier, ...]
    group: str | None = None
    zone: str
    snapshot: Snapshot
    move: Move | None = None
    case: DecidedCase | None = None
    permits: Annotated[tuple[Permit, ...], MaybeReady]
    budgets: Annotated[tuple[Budget, ...], MaybeReady]
    holds: tuple[Hold, ...]
    trace: tuple[TraceLine, ...]
    policy: str
    test: bool = False


class CustomerMerged(Fact):
    """Two customers turned out to be one: everything of `merged_id` now belongs to `customer_id`.

    The survivor's own state follows in a `customer.decided` with a version above both.
    """

    TYPE: ClassVar[str] = "customer.merged"
    VERSION: ClassVar[str] = "1.0"

    customer_id: UUID
    merged_id: UUID
    merged_at: Moment


class CustomerUnmerged(Fact):
    """A merge is undone: `customer_id` is somebody of her own again, apart from `survivor_id`.

    Of what is told of one customer's merges the latest moment counts, in whatever order it comes.
    `causes` are those of what was said under her own identifiers (the newest 1 000): what still
    waits because of them is hers. The state of both follows in a `customer.decided` of each.
    """

    TYPE: ClassVar[str] = "customer.unmerged"
    VERSION: ClassVar[str] = "1.0"

    customer_id: UUID
    survivor_id: UUID
    unmerged_at: Moment
    causes: tuple[UUID, ...] = ()


class CustomerErased(Fact):
    """A person is forgotten: whoever keeps something of hers up to `erased_before` deletes it.

    `customer_ids` are all that ever stood for her, `customer_id` the last of them; none of them is
    used again. Where nobody was known there are none, and `customer_id` is the erasure's. `people`
    holds HMAC-SHA-256s (hex) of all her identifiers under the route key, those of her responses
    (`source/survey/response id`) among them; one erasure with very many is told by several events,
    each with a part of them, in order; only after the `last` it is done. `erased_at` is when the
    segmenter had forgotten her.
    """

    TYPE: ClassVar[str] = "customer.erased"
    VERSION: ClassVar[str] = "1.1"

    erasure_id: UUID
    customer_id: UUID
    customer_ids: tuple[UUID, ...]
    people: tuple[str, ...]
    erased_before: Moment
    erased_at: Moment
    last: bool = True


class SegmenterProgressed(Fact):
    """How far the segmenter is on one of its input partitions: handled everything up to `upto`."""

    TYPE: ClassVar[str] = "segmenter.progressed"
    VERSION: ClassVar[str] = "1.0"

    topic: str
    partition: int
    partitions: int
    upto: Moment


class WeekTheme(Fact):
    """A reason of scores: how many answers named it, and how many of those were detractors'."""

    theme: str
    answers: int
    detractors: int


class WeekComment(Fact):
    """An answer with words of her own, which are read at the customer and not told here."""

    customer_id: UUID
    score: int
    theme: str | None = None


class OwnerWeekCounted(Fact):
    """What a week (`start` to before `end`, from Monday in `zone`) brought to one owner.

    `owner` is a value of the customers' `attribute`; both null: all customers together. `nps` with
    its 95 % interval (`low` to `high`) in points, null without an answer; `changed`: a real
    difference from the week before. `cases_open` are those open at `as_of`, whenever they were
    opened. `commented` answers had words, the worst of them are `comments`. Of one digest, owner
    and week there is one event.
    """

    TYPE: ClassVar[str] = "owner.week_counted"
    VERSION: ClassVar[str] = "1.0"

    digest: str
    attribute: str | None = None
    owner: str | None = None
    zone: str
    start: Moment
    end: Moment
    due_at: Moment
    as_of: Moment
    detractors: int
    passives: int
    promoters: int
    nps: float | None = None
    low: float | None = None
    high: float | None = None
    too_few: bool
    answers_before: int
    nps_before: float | None = None
    changed: bool = False
    themes: tuple[WeekTheme, ...] = ()
    cases_opened: int
    cases_resolved: int
    cases_open: int
    commented: int
    comments: tuple[WeekComment, ...] = ()

    @property
    def answers(self) -> int:
        """How many answers had a score."""
        return self.detractors + self.passives + self.promoters


class FigureScore(Fact):
    """The answers of a period (`start` to before `end`) by segment; `nps` null without any."""

    start: Moment
    end: Moment
    detractors: int
    passives: int
    promoters: int
    nps: float | None = None

    @property
    def answers(self) -> int:
        """How many answers had a score."""
        return self.detractors + self.passives + self.promoters


class FigureChanged(Fact):
    """A figure that is watched differs for real (`state` open), or is quiet again.

    `value` is a group of `by` (`attribute:store`); both null: all answers of `survey` and `source`
    (null: any). `before` is the period before the change, `after` the newest that was compared with
    it; `low` to `high` is the 95 % interval of `points`, the difference. `since` is when this state
    began: of one alert, group and change there is one event.
    """

    TYPE: ClassVar[str] = "figure.changed"
    VERSION: ClassVar[str] = "1.0"

    alert: str
    survey: str | None = None
    source: str | None = None
    by: str | None = None
    value: str | None = None
    zone: str
    state: Literal["open", "quiet"]
    reason: Literal["changed", "back", "late_answers", "new_level", "too_few"]
    direction: Literal["down", "up"]
    since: Moment
    before: FigureScore
    after: FigureScore
    points: float | None = None
    low: float | None = None
    high: float | None = None


DecisionData = (
    CustomerDecided
    | CustomerMerged
    | CustomerUnmerged
    | CustomerErased
    | SegmenterProgressed
    | OwnerWeekCounted
    | FigureChanged
)
