"""One fake per platform, and what the suite of all presets must know to ask them the same.

A module here says `CASE = Case(...)`: the target's settings as an operator would write them, a fake
that follows the platform's documented exchanges, which call acts, and the platform's own table of
errors. `cases()` finds them all: a new preset needs one new module and no other line.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import httpx

from services.dispatcher.calls.calls import Outcome
from services.dispatcher.platforms.carrier import PlatformCarrier
from services.dispatcher.targets.settings import (
    TargetSettings,
    check,
    idempotency,
    make_account,
    names_of,
)
from shared.events.outcomes import MessageState
from shared.events.vocabulary import Channel, ContactClass
from shared.settings import Secrets
from tests.builders.platforms import NOW, Fake, Waits, shipped

#: What the suite asks of a target.
Asked = Literal["push", "act", "erase"]


@dataclass(frozen=True, slots=True)
class Error:
    """One line of a platform's table of errors: an answer, and what it must become.

    `on` is a part of the path of the call that is answered so; `wait` the seconds asked for.
    """

    id: str
    asked: Asked
    on: str
    answer: httpx.Response
    outcome: Outcome
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One line of what a platform may say of a message, and how that is understood."""

    id: str
    answer: httpx.Response
    message: MessageState | None
    last: bool = False
    outcome: Outcome = "ok"
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One preset as the suite asks it.

    `settings` is what stands under the target's name in `targets.yaml`; `fake` makes a platform
    that knows Jane (`platforms.JANE`), who has opted out of nothing, and Joe (joe@example.com),
    who has opted out of everything the platform has a word for. `acting` and `pushing` are parts
    of the paths of the calls that act and that write a profile (empty: the preset has none).
    `sees_opt_out`: it reads the platform's consent by the way, so Joe's message is suppressed.
    `carries_id`: the delivery id is in the call that acts (False only where a platform has no
    place for it, with the reason beside the case). `makes_nobody_up`: whom the platform does not
    know stays unknown to it, since a new profile there would be subscribed from the start.
    `knows_our_id`: a customer is known to it by our own id, so she needs no other name.
    `fails_undone`: statuses by which this platform says, documented or for the reason that its
    preset gives, that it did not act; every other failure of its own leaves doubt.
    `told`: what its table of errors must have at least; less only where the platform has no such
    answer, with the reason beside the case.
    """

    preset: str
    settings: Mapping[str, Any]
    environ: Mapping[str, str]
    fake: Callable[[], Fake]
    acting: str = ""
    pushing: str = ""
    #: A part of the path of a batch of pushes, where that is another.
    batching: str = ""
    repeat: Literal["none", "key", "look"] = "none"
    channel: Channel = "email"
    contact_class: ContactClass = "service"
    sees_opt_out: bool = False
    carries_id: bool = True
    makes_nobody_up: bool = False
    knows_our_id: bool = False
    fails_undone: frozenset[int] = frozenset()
    told: frozenset[Outcome] = frozenset({"disable_target", "reject", "throttle"})
    errors: tuple[Error, ...] = field(default=())
    #: A part of the path of the call that asks what became of a message (empty: none can be
    #: asked), and what may be answered to it.
    asking: str = ""
    said: tuple[Said, ...] = field(default=())


def cases() -> tuple[Case, ...]:
    """Find the case of every module here, by name."""
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in _modules())
    return tuple(module.CASE for module in modules)


def _modules() -> list[pkgutil.ModuleInfo]:
    return sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)


def fake_of(target: str) -> Fake:
    """Make the fake of one of `platforms.TARGETS`."""
    preset = shipped(target).preset
    return next(case.fake() for case in cases() if case.preset == preset)


def carrier_of(
    case: Case,
    fake: Fake | httpx.AsyncBaseTransport,
    *,
    clock: Callable[[], datetime] = lambda: NOW,
    waits: Waits | None = None,
    **changes: Any,
) -> PlatformCarrier:
    """Make the product's carrier of a case (settings changed as given) that talks to a fake."""
    settings = TargetSettings.model_validate({"preset": case.preset, **case.settings, **changes})
    preset = check(settings)
    transport = httpx.MockTransport(fake.handle) if isinstance(fake, Fake) else fake
    return PlatformCarrier(
        case.preset,
        make_account(preset, settings, Secrets(dict(case.environ))),
        names_of(preset, settings),
        transport=transport,
        idempotency=idempotency(preset, settings),
        clock=clock,
        sleep=waits or Waits(),
    )
