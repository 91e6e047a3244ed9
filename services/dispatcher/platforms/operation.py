"""What is done on a platform for one push or one action, as data: steps, and where they lead.

In: a part of a preset's YAML. Out: frozen values in which every step named exists.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from services.dispatcher.platforms.pick import Path
from services.dispatcher.platforms.shown import Shows
from services.dispatcher.platforms.verdict import Regex
from shared.events.vocabulary import Channel, ContactClass, IdentifierKind
from shared.settings import Misplaced, Strict


class Request(Strict):
    """One request; `{{name}}` stands for a value."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    base_url: str | None = Field(
        None, description="another address of the same account; null: the preset's"
    )
    path: str | None = Field(None, description="below base_url")
    url: str | None = Field(None, description="the name of an extracted link, same origin only")
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = Field(None, description="JSON")
    form: dict[str, str] | None = Field(None, description="form fields, URL-encoded, in this order")
    xml: str | None = Field(None, description="XML as text; every value in it is escaped")

    @model_validator(mode="after")
    def _one_address_one_body(self) -> "Request":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either `path` or `url`")
        if self.base_url is not None and self.url is not None:
            raise ValueError("an extracted link stays on the preset's base_url")
        if sum(part is not None for part in (self.body, self.form, self.xml)) > 1:
            raise ValueError("give one of `body`, `form` and `xml`")
        return self

    @property
    def templates(self) -> list[Any]:
        """Everything that may name a value."""
        said = [self.path or "", self.base_url or ""]
        return [*said, self.query, self.headers, self.body, self.form, self.xml]


class Select(Strict):
    """Which of the found items are really hers: platforms search by prefix and ignore case."""

    items: Path = Field(description="a list, or an object whose values are the items")
    page: int | None = Field(
        None, ge=1, description="as many items are a full page: hers may be on the next; null: all"
    )
    field: Path = Field(description="in each item: a text, or a list of them")
    equal: str = Field(description="the name it must equal; `email` compares as addresses")


class Refusal(Strict):
    """Where a platform says in its own words that somebody refuses."""

    path: Path = Field(description="a text, or a list of them")
    each: Path | None = Field(None, description="in each item of the list; null: the item")
    refuses: tuple[str, ...] = Field(
        min_length=1, description="texts that are a refusal; `{{name}}` stands for a value"
    )
    agrees: tuple[str, ...] = Field(
        (), description="texts that are consent: for marketing nothing else is; empty: all others"
    )


#: Where a branch may lead beside the steps: a person must look · nothing is left to do.
ENDS: Final = frozenset({"park", "done"})


class Branch(Strict):
    """Where to go by how many were selected: a step, `park` or `done`."""

    none: str
    one: str
    many: str


class Step(Strict):
    """One request of an operation and what follows from its answer."""

    id: str
    needs: tuple[IdentifierKind, ...] = Field((), description="identifiers she must have")
    request: Request
    harmless: bool = Field(
        False, description="of an action: not a GET, and yet no effect (a search, an upsert)"
    )
    select: Select | None = None
    channels: tuple[Channel, ...] = Field(
        (), description="others pass it over, as if nobody were found; empty: it is for all"
    )
    refused_by: dict[Channel | Literal["any"], tuple[Path | Refusal, ...]] = Field(
        default_factory=dict,
        description="consent fields read by the way: true, or a refusal's text, suppresses",
    )
    shows: Shows | None = Field(
        None, description="consent that the answer shows by the way; a refusal is told to all"
    )
    extract: dict[str, Path] = Field(
        default_factory=dict, description="name → where in the one item"
    )
    extract_text: dict[str, Regex] = Field(
        default_factory=dict, description="name → pattern with one group, found in the body"
    )
    branch: Branch | None = Field(None, description="else the operation is done")
    after: dict[Literal["conflict", "not_found"], str] = Field(
        default_factory=dict, description="where to go, once, after such an answer"
    )

    @property
    def acts(self) -> bool:
        """Tell whether its request, in an action, does something to somebody."""
        return self.request.method != "GET" and not self.harmless

    @property
    def refusals(self) -> list[str]:
        """Everything that may name a value among the texts that refuse."""
        wheres = (where for several in self.refused_by.values() for where in several)
        shown = [] if self.shows is None else self.shows.templates
        named = [text for where in wheres if isinstance(where, Refusal) for text in where.refuses]
        return [*named, *shown]

    @property
    def extracted(self) -> frozenset[str]:
        """The names that it adds."""
        return frozenset({*self.extract, *self.extract_text})

    def targets(self) -> frozenset[str]:
        """Return every step it may lead to."""
        branch = (self.branch.none, self.branch.one, self.branch.many) if self.branch else ()
        return frozenset({*branch, *self.after.values()})


class ItemRule(Strict):
    """What a batch's answer says of one item that failed: the first rule that matches."""

    path: Path = Field(description="in what is told of the item")
    values: tuple[str, ...] = Field(min_length=1, description="texts, one of which is at `path`")
    then: Literal["retry", "throttle", "suppressed", "park", "reject"]
    reason: str = Field(description="in our words")


class Failures(Strict):
    """Where a good answer to a batch tells which items failed; the others were taken."""

    items: Path = Field(description="a list; not there or empty: all were taken")
    index: Path | None = Field(None, description="in each: its place in the request, from 0")
    names: dict[str, Path] = Field(
        default_factory=dict,
        description="or a name of the item → in each: a text, or a list of them, that equals it",
    )
    status: Path | None = Field(
        None,
        description="or, where the list tells of every item, in their order: in each its HTTP "
        "status; none, or 2xx: taken",
    )
    rules: tuple[ItemRule, ...] = ()
    otherwise: str = Field(description="why any other is rejected, in our words")

    @model_validator(mode="after")
    def _says_which(self) -> "Failures":
        if sum((self.index is not None, bool(self.names), self.status is not None)) != 1:
            raise ValueError("give one of `index`, `names` and `status`")
        return self


class Sees(Strict):
    """Whose consent a good answer to a batch shows by the way, where its step says how."""

    select: Select = Field(description="the people in the answer, and the name that tells them")
    held_as: str | None = Field(
        None, description="the key under which the step's own answer holds her; null: it is she"
    )


class Batch(Strict):
    """One request for several profile pushes.

    A whole answer that is not good is classified like that of `step`. If it refuses, it is asked
    again in halves, and in the end for each alone by the operation's own steps.
    """

    max_items: int = Field(ge=2, le=1000)
    max_bytes: int = Field(ge=1024, description="of the request's body")
    step: str = Field(description="whose needs and rules hold for the batch, too")
    request: Request = Field(description="`{{items}}` stands for the list")
    item: Any = Field(description="one of them, by the names of a push")
    failures: Failures | None = Field(
        None, description="null: a good answer says that all were taken, and tells of nobody else"
    )
    sees: Sees | None = Field(
        None, description="consent that a good answer shows, read as the step `shows` it"
    )


class Key(Strict):
    """The platform recognises a repeat by the key we send."""

    kind: Literal["key"]
    remembered_h: float | None = Field(None, gt=0, description="hours; null: always")


class Look(Strict):
    """The action's own first steps look whether it was done before; a repeat is harmless then.

    Platforms find what is new only after a while: no repeat is begun before.
    """

    kind: Literal["look"]
    after_s: float = Field(gt=0, description="seconds from an unanswered call to the next look")


class NoKey(Strict):
    """A repeat is a second effect."""

    kind: Literal["none"]


class Operation(Strict):
    """What is done for one push or one action: steps, from the first."""

    success: Literal["ok", "accepted"]
    repeatable: Annotated[Key | Look | NoKey, Field(discriminator="kind")] | None = Field(
        None, description="actions only: whether a repeat is harmless"
    )
    channels: dict[Channel, IdentifierKind | None] | None = Field(
        None,
        description="actions only: channels served and the address each needs (null: none of "
        "hers, as a chat of the staff); null: all channels",
    )
    classes: tuple[ContactClass, ...] | None = Field(
        None, description="actions only: classes of contact it may carry; null: all"
    )
    batch: Batch | None = Field(None, description="pushes only: several by one request")
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_exist(self) -> "Operation":
        ids = [step.id for step in self.steps]
        if len(set(ids)) != len(ids) or not ENDS.isdisjoint(ids):
            raise ValueError("two steps share one id, or one is called park or done")
        for step in self.steps:
            later = ids[ids.index(step.id) + 1 :]
            if step.channels and (step.branch is None or step.branch.none not in later):
                raise ValueError(f"step {step.id}: other channels need a later step at branch.none")
            missing = step.targets() - {*ids, *ENDS}
            if missing:
                raise ValueError(f"step {step.id} leads to an unknown step: {sorted(missing)}")
        if self.batch is not None and self.batch.step not in ids:
            known = ", ".join(ids)
            raise Misplaced(f"there is no step {self.batch.step}: one of {known}", "batch", "step")
        if self.batch is not None and self.batch.sees and not self.step(self.batch.step).shows:
            raise Misplaced("its step `shows` nothing: remove it", "batch", "sees")
        return self

    @property
    def needs(self) -> tuple[IdentifierKind, ...]:
        """Return the identifiers that some step must have."""
        return tuple(dict.fromkeys(kind for step in self.steps for kind in step.needs))

    def step(self, step_id: str) -> Step:
        """Return the step of that id."""
        return next(step for step in self.steps if step.id == step_id)
