"""A platform preset: everything about one campaign platform, as data (`platforms/<name>.yaml`).

In: YAML. Out: a frozen `Preset`, checked as a whole (every step and every name it mentions exists),
or `ConfigError`. `exchange` interprets it; no platform has code of its own.
"""

from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path as File
from typing import Literal

from pydantic import Field, model_validator

from services.dispatcher.brakes.rates import AtOnce, Rate
from services.dispatcher.platforms import render
from services.dispatcher.platforms.auth import (
    Auth,
    Basic,
    ClientCredentials,
    NoSignIn,
    StandardWebhooks,
)
from services.dispatcher.platforms.inspection import Inspection
from services.dispatcher.platforms.operation import Batch, Operation
from services.dispatcher.platforms.status import STATUS, STEP, Status
from services.dispatcher.platforms.verdict import Regex, Rule
from shared.events.vocabulary import Channel
from shared.settings import Misplaced, Strict, load_yaml

_FOLDER = File(__file__).parent

#: Names every request template may use.
COMMON = frozenset({"customer", "email", "phone", "external_id", "sent_at"})
#: Names of a profile push, and of an action.
PUSH = COMMON | {"message_id", "version", "attributes", "attribute_list"}
ACT = COMMON | {
    *("message_id", "delivery_id", "idempotency_key", "play", "action", "variant", "template"),
    *("event", "channel", "channel_code", "contact_class", "deadline", "context", "attributes"),
    *("to.email", "to.sms", "title", "text", "attribute_list", "context_list"),
    *("person", "requester", "delivery_hex", "seconds_left"),
}

#: Names of a deletion.
ERASE = COMMON | {"message_id"}

#: Consent is the customer's, and the platform's to keep: whatever a target maps, never these.
NEVER_WRITTEN = ("*blacklist*", "*optout*", "*opt_out*", "*optin*", "*opt_in*", "*unsubscri*")
#: A template as a number, in a request.
_BY_NUMBER = "{{template|int}}"


class Var(Strict):
    """What an account must tell: shown in errors, so that a newcomer knows what to fill in."""

    about: str = Field(description="what it is and where to find it")
    secret: bool = Field(False, description="only by reference: env:NAME or file:/path")
    url: bool = Field(False, description="an absolute URL (https, unless the target allows http)")
    query: bool = Field(False, description="of a URL: it may have a query (a token in it)")
    pattern: Regex | None = Field(None, description="the whole value matches this")
    default: str | None = Field(None, description="used when the target does not give it")


class Limits(Strict):
    """How hard this platform may be driven; a target may ask for another concurrency."""

    windows: tuple[Rate, ...] = Field((), description="rates that the platform grants")
    concurrency: int = Field(4, ge=1, le=256, description="calls in flight")
    at_once: AtOnce = Field(AtOnce(), description="of these, at most so many of one kind")
    # Together at most the 20 s that a lane gives one call (`flights.BUDGET`).
    connect_s: float = Field(5, gt=0, le=5, description="seconds to a connection, TLS included")
    answer_s: float = Field(15, gt=0, le=15, description="seconds from there to the whole answer")


class Pair(Strict):
    """One field of a list: the keys under which its name and its value stand (dots go deeper)."""

    name: str = "name"
    label: str | None = Field(None, description="where the name is said again, for a reader")
    value: str = "value"


class Formats(Strict):
    """How the platform writes values."""

    moment: str = Field("iso", description="`iso`, or a strftime pattern in UTC")
    deadline: str = Field("iso", description="the same, for the deadline of a message")
    nulls: Literal["keep", "omit"] = Field("keep", description="a cleared attribute")
    context: Literal["keep", "text"] = Field("keep", description="numbers in a message's context")
    values: Literal["keep", "text"] = Field("keep", description="numbers among the attributes")
    channels: dict[Channel, str] = Field(
        default_factory=dict, description="what `channel_code` says; others by our own name"
    )
    pair: Pair | None = Field(None, description="how `attribute_list` and `context_list` say one")


class Preset(Strict):
    """One campaign platform."""

    name: str
    verified: Literal["live", "recorded", "documented"]
    vars: dict[str, Var] = Field(default_factory=dict)
    base_url: str
    auth: Auth = NoSignIn()
    headers: dict[str, str] = Field(default_factory=dict, description="sent with every request")
    limits: Limits = Limits()
    formats: Formats = Formats()
    never_written: tuple[str, ...] = Field((), description="fields a target may not map (globs)")
    push_profile: Operation | None = Field(None, description="null: it keeps no profiles for us")
    act: Operation | None = Field(None, description="null: it is only told who somebody is")
    update: Operation | None = Field(
        None, description="shows {{reference}} anew; null: a correction is another message"
    )
    erase: Operation | None = Field(
        None, description="deletes what is kept of a person; null: to be asked there by hand"
    )
    status: Status | None = Field(
        None, description="asks what became of a message; null: it cannot be asked"
    )
    preflight: tuple[Inspection, ...] = Field(
        (), description="what must be there before anything is sent, and how to look"
    )
    classify: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> "Preset":
        given = frozenset(self.vars)
        if self.push_profile is None and self.act is None:
            raise ValueError("give `push_profile`, `act` or both")
        token = {"token"} if isinstance(self.auth, ClientCredentials) else frozenset[str]()
        _known("base_url", self.base_url, given)
        if isinstance(self.auth, Basic):
            _known("auth", [self.auth.user, self.auth.password], given)
        if isinstance(self.auth, ClientCredentials):
            _known("auth", [self.auth.token_url, self.auth.form], given)
        if isinstance(self.auth, StandardWebhooks) and not given.issuperset(self.auth.secrets):
            raise ValueError("auth: every secret is one of the vars")
        named = (
            ("push_profile", self.push_profile, PUSH),
            ("act", self.act, ACT),
            ("update", self.update, ACT | {"reference"}),
            ("erase", self.erase, ERASE),
        )
        operations = [(label, found, own) for label, found, own in named if found is not None]
        for label, operation, own in operations:
            extracted = frozenset[str]().union(*(step.extracted for step in operation.steps))
            known = given | own | token | extracted
            _known("headers", self.headers, known)
            for step in operation.steps:
                request = step.request
                _known(f"{label}.{step.id}", [request.templates, step.refusals], known)
                if request.base_url is not None:
                    _known(f"{label}.{step.id}", request.base_url, given)
                if request.url is not None and request.url not in extracted:
                    raise ValueError(f"{label}.{step.id}: url is the name of an extracted link")
        steps = {step.id for _, operation, _ in operations for step in operation.steps}
        steps |= {STEP} if self.status is not None else set()
        steps |= {inspection.id for inspection in self.preflight}
        for rule in self.classify:
            if not steps.issuperset(rule.steps):
                raise ValueError(f"classify: unknown step {sorted(set(rule.steps) - steps)}")
        said = [label for label, operation, _ in operations if operation.repeatable]
        if said != (["act"] if self.act else []):
            raise ValueError("`repeatable` is said of act, and only of it")
        return self

    @model_validator(mode="after")
    def _looks_name_vars(self) -> "Preset":
        given = frozenset(self.vars)
        token = {"token"} if isinstance(self.auth, ClientCredentials) else frozenset[str]()
        for inspection in self.preflight:
            label = f"preflight.{inspection.id}"
            _known(label, [self.headers, inspection.templates], given | token)
            if inspection.request.base_url is not None:
                _known(label, inspection.request.base_url, given)
        return self

    @model_validator(mode="after")
    def _status_is_of_actions(self) -> "Preset":
        if self.status is not None:
            if self.act is None:
                raise ValueError("status: is asked of what `act` did")
            token = {"token"} if isinstance(self.auth, ClientCredentials) else frozenset[str]()
            templates = [self.headers, self.status.request.templates]
            _known(STEP, templates, frozenset(self.vars) | STATUS | token)
        return self

    @model_validator(mode="after")
    def _batches_are_of_pushes(self) -> "Preset":
        token = {"token"} if isinstance(self.auth, ClientCredentials) else frozenset[str]()
        for label in ("push_profile", "act", "update", "erase"):
            operation: Operation | None = getattr(self, label)
            if operation is not None and operation.batch is not None:
                _check_batch(label, self, operation.batch, frozenset(self.vars) | token)
        return self

    @model_validator(mode="after")
    def _hosts_are_bounded(self) -> "Preset":
        """A setting must not lead a secret to another host: what stands in one has a pattern."""
        own = (self.push_profile, self.act, self.update, self.erase)
        operations = [operation for operation in own if operation is not None]
        requests = [step.request for operation in operations for step in operation.steps]
        requests += [] if self.status is None else [self.status.request]
        requests += [inspection.request for inspection in self.preflight]
        addresses = [self.base_url, *(one.base_url for one in requests if one.base_url)]
        if isinstance(self.auth, ClientCredentials):
            addresses.append(self.auth.token_url)
        for name in sorted(frozenset[str]().union(*map(render.names, map(_host, addresses)))):
            if self.vars[name].pattern is None and not self.vars[name].url:
                raise ValueError(f"vars.{name}: it stands in a host name: give it a pattern")
        return self

    @model_validator(mode="after")
    def _acts_last_and_once(self) -> "Preset":
        """After an effect nothing may fail: the action would be tried again, and act twice."""
        if self.act is None:
            return self
        acting = [step for step in self.act.steps if step.acts]
        if len(acting) != 1:
            raise ValueError("act: exactly one step acts: it is not a GET, and not `harmless`")
        if acting[0].request.method not in ("POST", "PATCH"):
            # On a connection that breaks, the HTTP client repeats PUT and DELETE on its own.
            raise ValueError(f"act.{acting[0].id}: the step that acts is a POST or a PATCH")
        if acting[0].select is not None or acting[0].targets():
            raise ValueError(f"act.{acting[0].id}: the step that acts is the last one")
        return self

    @cached_property
    def used_by_actions(self) -> frozenset[str]:
        """The names that an action's requests ask for."""
        operations = [operation for operation in (self.act, self.update) if operation is not None]
        return render.names([s.request.templates for o in operations for s in o.steps])

    @cached_property
    def numbers_templates(self) -> bool:
        """Whether its platform knows templates by numbers, which no name of ours is."""
        return self.act is not None and _BY_NUMBER in self.act.model_dump_json()

    def may_write(self, field: str) -> bool:
        """Tell whether a target may map an attribute to this field: never one of consent."""
        return may_write(field, self.never_written)


def may_write(field: str, never_written: tuple[str, ...]) -> bool:
    """Tell whether a field is neither one of consent nor among those of a platform's own."""
    forbidden = (*NEVER_WRITTEN, *(glob.lower() for glob in never_written))
    return not any(fnmatchcase(field.lower(), glob) for glob in forbidden)


def _check_batch(label: str, preset: Preset, batch: Batch, given: frozenset[str]) -> None:
    """Check that a batch names only what is the same for all of its items, or theirs."""
    here = (label, "batch")
    if label != "push_profile":
        raise Misplaced("only pushes are harmless enough to go together: remove it", *here)
    operation = preset.push_profile
    own_url = operation.step(batch.step).request.base_url if operation is not None else None
    if batch.request.url is not None or batch.request.base_url != own_url:
        raise Misplaced("give a `path` below the base_url of its step", *here, "request")
    common, own = given | {"sent_at", "items"}, PUSH | given
    told = [] if batch.failures is None else [_as_name(name) for name in batch.failures.names]
    seen = [] if batch.sees is None else [_as_name(batch.sees.select.equal)]
    for place, template, known in (
        (("request",), [batch.request.templates, preset.headers], common),
        (("item",), batch.item, own),
        (("failures", "names"), told, own),
        (("sees", "select"), seen, own),
    ):
        try:
            unknown = render.names(template) - known
        except ValueError as error:
            raise Misplaced(str(error), *here, *place) from None
        if unknown:
            fix = f"unknown name {', '.join(sorted(unknown))}: one of {', '.join(sorted(known))}"
            raise Misplaced(fix, *here, *place)
    if "items" not in render.names(batch.request.body):
        raise Misplaced("the body has no {{items}}: put it where the list stands", *here, "request")


def _as_name(name: str) -> str:
    return f"{{{{{name}}}}}"


def _host(address: str) -> str:
    """Cut a URL's template down to what becomes its scheme, host and port."""
    scheme, found, rest = address.partition("://")
    return (rest if found else scheme).partition("/")[0]


def _known(place: str, template: object, known: frozenset[str]) -> None:
    unknown = render.names(template) - known
    if unknown:
        raise ValueError(f"{place}: unknown name {sorted(unknown)}: one of {sorted(known)}")


def preset_names() -> tuple[str, ...]:
    """List the presets that come with the product."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))


@cache
def load_preset(name: str) -> Preset:
    """Read one of `preset_names()`. Raises `ConfigError` when its file is wrong."""
    return load_yaml(_FOLDER / f"{name}.yaml", Preset).value
