"""What each platform answers to a preflight, as documented; the values are ours.

A module here says `LOOK = Look(...)`: one preset, with the settings of its case in `fakes`; by path
what is there when all is, and changes of it with what must be told of each. `looks()` finds them
all: a new preset needs one new module and no other line.
"""

import copy
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.builders.fakes import Case, carrier_of, cases
from tests.builders.platforms import Fake

Told = tuple[str, str]

_STRANGER: Final = httpx.Response(401, json={"message": "who are you?"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """One change of the answers, and the findings that it leads to (reason, what)."""

    id: str
    change: Callable[[dict[str, Any]], object]
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One preset's preflight.

    `refused` is the platform's own way to say that it does not know the account.
    """

    preset: str
    there: Mapping[str, Any]
    wrong: tuple[Wrong, ...] = ()
    refused: httpx.Response = _STRANGER


class Looking:
    """A platform that signs in as its fake does, and answers looks by path."""

    def __init__(self, fake: Fake, there: Mapping[str, Any]) -> None:
        self.there = copy.deepcopy(dict(there))
        self.calls: list[httpx.Request] = []
        self._fake = fake

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one call."""
        if request.method == "POST" and "token" in request.url.path:
            return self._fake.handle(request)
        self.calls.append(request)
        answer = self.there[request.url.path]
        # An answer is read once: each call has its own.
        return copy.copy(answer) if isinstance(answer, httpx.Response) else _json(answer)


def _json(content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


def looks() -> tuple[Look, ...]:
    """Find the look of every module here, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").LOOK for name in names)


def case_of(look: Look) -> Case:
    """Find the case with the preset's settings."""
    return next(case for case in cases() if case.preset == look.preset)


def carrier(look: Look, platform: Looking) -> Any:
    """Make the product's carrier that talks to it."""
    return carrier_of(case_of(look), httpx.MockTransport(platform.handle))


def drop(path: str, key: str, name: str, label: str) -> Callable[[dict[str, Any]], object]:
    """Take an item out of a list."""

    def change(there: dict[str, Any]) -> None:
        there[path][key] = [item for item in there[path][key] if item[label] != name]

    return change


def say(
    path: str, key: str, name: str, label: str, **said: Any
) -> Callable[[dict[str, Any]], object]:
    """Describe an item of a list in another way."""

    def change(there: dict[str, Any]) -> None:
        next(item for item in there[path][key] if item[label] == name).update(said)

    return change


def bands(label: str = "value") -> list[dict[str, str]]:
    """List the three bands as the options of a field."""
    return [{label: band, "label": band.title()} for band in ("detractor", "passive", "promoter")]
