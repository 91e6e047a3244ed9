"""What a call to the sandbox did, as the value that is kept and shown. Pure."""

from collections.abc import Collection
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.sandbox.switches import Account, Kind, Mode, Switch

#: Modes that refuse before anything is done.
_REFUSING: Final = frozenset({"503", "429"})
_UNANSWERED: Final = frozenset({"hang", "reset"})


class ProfileCall(BaseModel):
    """The body of a profile push: attributes to write for one customer."""

    KIND: ClassVar[Kind] = "profile"

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)
    attributes: dict[str, Any] = Field(default_factory=dict)


class BatchCall(BaseModel):
    """The body of a batch: profiles, each of which is taken or not by itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    profiles: Annotated[list[Any], Field(min_length=1, max_length=1000)]


class ActionCall(BaseModel):
    """The body of an action: what to send to one customer, and until when it makes sense."""

    KIND: ClassVar[Kind] = "action"

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)
    delivery_id: str = Field(max_length=200)
    play: str = Field(max_length=200)
    action: str = Field(max_length=200)
    variant: str | None = Field(default=None, max_length=200)
    template: str | None = Field(default=None, max_length=200)
    channel: str | None = Field(default=None, max_length=50)
    deadline: AwareDatetime | None = None
    context: dict[str, Any] = Field(default_factory=dict)


class ErasureCall(BaseModel):
    """The body of a deletion: forget this customer, by her id or her address."""

    KIND: ClassVar[Kind] = "erasure"

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer: str = Field(max_length=200)
    email: str | None = Field(default=None, max_length=320)

    def concerns(self, entry: "Entry") -> bool:
        """Tell whether an entry is about her."""
        email = (self.email or "").casefold()
        theirs = str(entry.call.get("email") or "").casefold()
        return entry.call.get("customer") == self.customer or bool(email and email == theirs)


Call = ProfileCall | ActionCall | ErasureCall


class Entry(BaseModel):
    """One call as the page shows it.

    `batch`: how many profiles came by the same request (null: it came alone). `repeat`: the key had
    taken effect before. `effect`: this call did something. `status`: the HTTP status answered, None
    where the sandbox never answered.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    at: AwareDatetime
    account: Account
    kind: Kind
    key: str | None = None
    repeat: bool
    effect: bool
    mode: Mode
    status: int | None
    batch: int | None = None
    call: dict[str, Any]


class Counters(BaseModel):
    """What happened at one account since its record was last cleared."""

    model_config = ConfigDict(frozen=True)

    profiles: int = 0
    actions: int = 0
    erasures: int = 0
    repeats: int = 0
    refused: int = 0
    unanswered: int = 0

    def add(self, entry: Entry) -> "Counters":
        """Count one more call; `profiles`, `actions` and `erasures` count effects, not calls."""
        return Counters(
            profiles=self.profiles + (entry.kind == "profile" and entry.effect),
            actions=self.actions + (entry.kind == "action" and entry.effect),
            erasures=self.erasures + (entry.kind == "erasure" and entry.effect),
            repeats=self.repeats + entry.repeat,
            refused=self.refused + (entry.mode in _REFUSING),
            unanswered=self.unanswered + (entry.status is None),
        )


def receive(
    account: Account,
    call: Call,
    *,
    key: str | None,
    switch: Switch,
    known_keys: Collection[str],
    number: int,
    at: datetime,
    batch: int | None = None,
) -> Entry:
    """Decide what one call does. `known_keys` are those that took effect at this account."""
    repeat = call.KIND == "action" and key is not None and key in known_keys
    refused = switch.mode in _REFUSING
    # Only `main` honours keys; writing a profile twice is harmless, so it needs none.
    ignored = repeat and account == "main"
    return Entry(
        number=number,
        at=at,
        account=account,
        kind=call.KIND,
        key=key,
        repeat=repeat,
        effect=not refused and not ignored,
        mode=switch.mode,
        status=_status(call.KIND, switch.mode, ignored=ignored),
        batch=batch,
        # Who is to be forgotten is not written down by her address, least of all now.
        call=call.model_dump(mode="json", exclude={"email"} if call.KIND == "erasure" else None),
    )


def read_batch(call: BatchCall) -> tuple[list[ProfileCall], list[dict[str, Any]]]:
    """Read the profiles of a batch one by one; tells of those that are none by their place."""
    read: list[ProfileCall] = []
    errors: list[dict[str, Any]] = []
    for index, profile in enumerate(call.profiles):
        try:
            read.append(ProfileCall.model_validate(profile))
        except ValidationError:
            errors.append({"index": index, "code": "invalid"})
    return read, errors


def reference(entry: Entry) -> str | None:
    """Number what an action made, as a helpdesk numbers tickets; None: a profile makes nothing.

    A repeat under a known key is answered as the first call was.
    """
    if entry.kind != "action":
        return None
    made = entry.call["delivery_id"] if entry.key is None else entry.key
    again = "" if entry.account == "main" else f"-{entry.number}"
    return f"SB-{sha256(made.encode()).hexdigest()[:12]}{again}"


def _status(kind: Kind, mode: Mode, *, ignored: bool) -> int | None:
    if mode in _UNANSWERED:
        return None
    if mode in _REFUSING:
        return int(mode)
    return 202 if kind == "action" and not ignored else 200


#: Which part of the record a reader wants.
Which = Account | Literal["all"]
