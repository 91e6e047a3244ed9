"""The settings of one target, and whether they can work with its preset.

In: a part of `targets.yaml`. Out: `TargetSettings`; then the checked preset, the account with its
secrets, the idempotency. Raises `ConfigError` with the fix.
"""

import base64
from collections.abc import Mapping
from datetime import timedelta
from re import fullmatch
from typing import Annotated, Final, Literal

import httpx
from pydantic import BeforeValidator, Field

from services.dispatcher.brakes.rates import AtOnce, Rate
from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.platforms import render
from services.dispatcher.platforms.auth import Basic, StandardWebhooks
from services.dispatcher.platforms.deals import Account, Names
from services.dispatcher.platforms.fields import Written
from services.dispatcher.platforms.operation import Key, Look
from services.dispatcher.platforms.preset import (
    Preset,
    Var,
    load_preset,
    preset_names,
)
from services.dispatcher.platforms.rehearse import HIDDEN, Marks
from services.dispatcher.platforms.signing import webhook_key
from services.dispatcher.platforms.wired import Wired, wired_names
from services.dispatcher.status.inquiry import OVER, StatusRule
from services.dispatcher.targets.alert_settings import AlertSettings, voice_of
from shared.errors import ConfigError
from shared.settings import Secrets, Strict

TargetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
#: Where a value is that does not stand in the file.
REFERENCE: Final = r"(env:[A-Z][A-Z0-9_]*|file:.+)"


def _short(value: object) -> object:
    """Let `name: field` stand for `name: {field: field}`."""
    return {"field": value} if isinstance(value, str) else value


Fields = dict[
    str, Annotated[Written, BeforeValidator(_short, json_schema_input_type=str | Written)]
]


class Breaker(Strict):
    """When a target is left alone because its calls fail; counted over all replicas."""

    share: float = Field(0.7, gt=0, le=1, description="part of the calls that must have failed")
    least: int = Field(10, ge=1, le=10_000, description="of so many calls at least")
    over_s: int = Field(300, ge=30, le=3600, description="in so many seconds")
    probe_s: int = Field(30, ge=1, le=3600, description="how often one call tries again")


class StatusSettings(Strict):
    """Whether and for how long a platform is asked what became of messages, where it can be."""

    ask: bool = Field(True, description="false: its web-hooks tell, or nobody wants to know")
    over_h: float = Field(
        OVER / timedelta(hours=1), ge=1, le=720, description="hours after the sending"
    )


class TargetSettings(Strict):
    """One account on one campaign platform."""

    preset: str = Field(description="the platform: a file of services/dispatcher/platforms")
    enabled: bool = Field(True, description="false: checked, and otherwise ignored")
    vars: dict[str, str] = Field(
        default_factory=dict, description="what the preset asks for; env: or file:"
    )
    push_profile: bool = Field(True, description="whether profiles are pushed here")
    attributes: Fields = Field(
        default_factory=dict, description="canonical attribute → profile field"
    )
    message: Fields = Field(
        default_factory=dict, description="canonical attribute → name in a message"
    )
    events: dict[str, str] = Field(
        default_factory=dict, description="action, or action/variant → the platform's event"
    )
    templates: dict[str, str] = Field(
        default_factory=dict, description="our template → the platform's"
    )
    concurrency: int | None = Field(
        None, ge=1, le=256, description="calls in flight; else preset's"
    )
    at_once: AtOnce | None = Field(
        None, description="of these, at most so many of one kind; else preset's"
    )
    windows: tuple[Rate, ...] | None = Field(
        None, description="rates that this account is granted, instead of the preset's"
    )
    batch: int | None = Field(
        None, ge=1, le=1000, description="pushes in one request, 1: each alone; else preset's"
    )
    breaker: Breaker = Field(default_factory=Breaker, description="when it is left alone")
    status: StatusSettings | None = Field(
        None, description="how it is asked what became of messages; null: the defaults"
    )
    idempotency: Literal["preset", "none"] = Field(
        "preset", description="none: this account does not recognise a repeated key"
    )
    on_unknown: Literal["retry", "hold"] | None = Field(
        None, description="an unanswered call; else the play's, else by class of contact"
    )
    skip_delay_and_quiet_hours: bool = Field(False, description="send at once, at any hour")
    sandbox: bool = Field(
        False, description="reaches nobody: takes all that test respondents lead to"
    )
    alerts: AlertSettings | None = Field(
        None, description="how its readers are alerted; null: the defaults, where only staff reads"
    )
    shadow: bool = Field(
        False, description="everything is planned, asked and written, nothing is sent"
    )
    allow_private: bool = Field(False, description="addresses of this machine and network")
    allow_http: bool = Field(False, description="without TLS")


class TargetsConfig(Strict):
    """The file `targets.yaml`."""

    targets: dict[TargetName, TargetSettings]


def check(settings: TargetSettings) -> Preset:
    """Check one target against its preset, without secrets. Raises `ConfigError`."""
    if settings.preset not in preset_names():
        known = ", ".join(sorted((*preset_names(), *wired_names())))
        raise ConfigError(f"unknown preset {settings.preset}: one of {known}")
    preset = load_preset(settings.preset)
    check_names(preset, settings)
    if preset.push_profile is None and settings.attributes and settings.push_profile:
        raise ConfigError(
            "attributes: this platform keeps no profiles: use `message`, remove these"
        )
    if "event" in preset.used_by_actions and settings.enabled and not settings.events:
        raise ConfigError("events: missing: name the platform's event for each action")
    return preset


def check_names(preset: Preset | Wired, settings: TargetSettings) -> None:
    """Check the vars, fields and events that a target names. Raises `ConfigError`."""
    unknown = sorted(settings.vars.keys() - preset.vars.keys())
    if unknown:
        raise ConfigError(f"vars: unknown {', '.join(unknown)}: remove it")
    for name, var in preset.vars.items():
        given = settings.vars.get(name) or var.default
        if given is None:
            raise ConfigError(f"vars.{name}: missing: {var.about}")
        if var.secret and given and not fullmatch(REFERENCE, given):
            raise ConfigError(f"vars.{name}: a secret is given by reference (env:NAME, file:/path)")
    _check_fields(preset, "attributes", settings.attributes)
    _check_fields(preset, "message", settings.message)
    for action, event in settings.events.items():
        if not fullmatch(r"[A-Za-z0-9_-]{1,100}", event):
            raise ConfigError(f"events.{action}: letters, digits, - and _ only")
    batch_of(preset, settings)
    status_of(preset, settings)


def batch_of(preset: Preset | Wired, settings: TargetSettings) -> int:
    """Tell how many profile pushes share a request. Raises `ConfigError`."""
    operation = preset.push_profile if isinstance(preset, Preset) else None
    most = operation.batch.max_items if operation and operation.batch else 1
    if settings.batch is not None and settings.batch > most:
        raise ConfigError(
            f"batch: this platform takes {most} in one request at most: lower it, or leave it out"
        )
    return settings.batch or most


def status_of(preset: Preset | Wired, settings: TargetSettings) -> StatusRule | None:
    """Tell how a target is asked what became of messages. Raises `ConfigError`."""
    if not isinstance(preset, Preset) or preset.status is None:
        if settings.status is not None and settings.status.ask:
            raise ConfigError("status: this platform cannot be asked: remove it")
        return None
    chosen = settings.status or StatusSettings()
    return StatusRule(timedelta(hours=chosen.over_h)) if chosen.ask else None


def alerts_of(preset: Preset | Wired, settings: TargetSettings) -> AlertSettings | None:
    """Return how the readers of a target are alerted; None: it is no target for the staff alone."""
    act = preset.act
    if settings.alerts is None:
        return AlertSettings() if act is not None and act.classes == ("internal",) else None
    if act is None or act.channels is None or "chat" in act.channels:
        return settings.alerts
    # A queue wakes nobody, and each of its tickets is somebody's work: unless it is asked for,
    # none is put off or gathered.
    kept = {"digest_above", "night"} - settings.alerts.model_fields_set
    return settings.alerts.model_copy(update=dict.fromkeys(kept))


def names_of(preset: Preset, settings: TargetSettings) -> Names:
    """Return how a target names things, and how its readers like what they read."""
    return Names(
        settings.attributes,
        settings.message,
        settings.events,
        settings.templates,
        voice_of(alerts_of(preset, settings)),
    )


def _check_fields(preset: Preset | Wired, label: str, mapped: Fields) -> None:
    for name, written in mapped.items():
        if not preset.may_write(written.field):
            raise ConfigError(
                f"{label}.{name}: {written.field} is consent or identity: never written, remove it"
            )
    fields = [written.field for written in mapped.values()]
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise ConfigError(f"{label}: {', '.join(twice)} is written by two attributes: choose one")


def make_account(preset: Preset, settings: TargetSettings, secrets: Secrets) -> Account:
    """Resolve the vars of a checked target. Raises `ConfigError`."""
    known = resolve_vars(preset, settings, secrets)
    keys: tuple[bytes, ...] = ()
    if isinstance(preset.auth, StandardWebhooks):
        keys = tuple(_key(name, known[name]) for name in preset.auth.secrets if known[name])
    return Account(
        preset=preset,
        base_url=render.text(preset.base_url, known),
        vars=known,
        webhook_keys=keys,
        authorization=_basic(preset.auth, known) if isinstance(preset.auth, Basic) else None,
    )


def resolve_vars(
    preset: Preset | Wired, settings: TargetSettings, secrets: Secrets
) -> dict[str, str]:
    """Return the values of a checked target's vars, secrets too. Raises `ConfigError`."""
    return {name: _resolve(name, var, settings, secrets) for name, var in preset.vars.items()}


def make_masked_account(
    preset: Preset, settings: TargetSettings, secrets: Secrets, marks: Marks
) -> Account:
    """Make the account of a checked target with marks for its secrets, which are not even read.

    So it needs none of them. A var by reference that is not set is shown by its reference. Raises
    `ConfigError` for a var that does not look as it should.
    """
    known: dict[str, str] = {}
    for name, var in preset.vars.items():
        given = settings.vars.get(name) or var.default or ""
        if var.secret:
            known[name] = marks.add(HIDDEN, url=var.url) if given else ""
            continue
        try:
            known[name] = _resolve(name, var, settings, secrets)
        except ConfigError:
            if not fullmatch(REFERENCE, given):
                raise
            known[name] = marks.add(f"<{given}>", url=var.url)
    return Account(
        preset=preset,
        base_url=render.text(preset.base_url, known),
        vars=known,
        webhook_keys=(b"shown nowhere",) if isinstance(preset.auth, StandardWebhooks) else (),
        authorization=f"Basic {marks.add(HIDDEN)}" if isinstance(preset.auth, Basic) else None,
    )


def _basic(auth: Basic, known: Mapping[str, str]) -> str:
    user, password = render.text(auth.user, known), render.text(auth.password, known)
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def idempotency(preset: Preset | Wired, settings: TargetSettings) -> Idempotency:
    """Say whether a repeat of an action is harmless at this target."""
    repeatable = preset.act.repeatable if preset.act else None
    if settings.idempotency == "preset" and isinstance(repeatable, Look):
        return Idempotency("look", shows=timedelta(seconds=repeatable.after_s))
    if settings.idempotency == "none" or not isinstance(repeatable, Key):
        return Idempotency("none")
    hours = repeatable.remembered_h
    return Idempotency("key", None if hours is None else timedelta(hours=hours))


def _resolve(name: str, var: Var, settings: TargetSettings, secrets: Secrets) -> str:
    given = settings.vars.get(name) or var.default or ""
    try:
        value = secrets.get(given) if fullmatch(REFERENCE, given) else given
    except ConfigError as error:
        raise ConfigError(f"vars.{name}: {error}") from None
    if var.pattern is not None and not fullmatch(var.pattern, value):
        raise ConfigError(f"vars.{name}: does not look as it should: {var.about}")
    if var.url:
        _check_url(name, value, var, settings)
    return value


def _check_url(name: str, value: str, var: Var, settings: TargetSettings) -> None:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        raise ConfigError(f"vars.{name}: not a URL") from None
    if not url.host or url.userinfo or url.fragment or (url.query and not var.query):
        query = "" if var.query else ", query"
        raise ConfigError(f"vars.{name}: an absolute URL without user{query} or fragment")
    if url.scheme != "https" and not (url.scheme == "http" and settings.allow_http):
        raise ConfigError(f"vars.{name}: https is required (allow_http: true allows http)")


def _key(name: str, secret: str) -> bytes:
    try:
        return webhook_key(secret)
    except ValueError as error:
        raise ConfigError(f"vars.{name}: {error}") from None
