"""A platform that is not reached by HTTP: what it can carry, as data; its wire is code.

In: `<wire>/<name>.yaml`. Out: a frozen `Wired`, or `ConfigError`. It answers the same questions of
planning and checks as a `Preset`; `smtp` and `file` hold the carriers.
"""

from functools import cache
from pathlib import Path as File
from typing import Annotated, Final, Literal

from pydantic import Field

from services.dispatcher.platforms.operation import Key, Look, NoKey
from services.dispatcher.platforms.preset import Formats, Limits, Var, may_write
from shared.events.vocabulary import Channel, ContactClass, IdentifierKind
from shared.settings import Strict, load_yaml

_FOLDER: Final = File(__file__).parent
#: One folder of code and presets for each wire.
_WIRES: Final = ("smtp", "file")


class Carried(Strict):
    """Which actions it carries, and whether a repeat is harmless."""

    repeatable: Annotated[Key | Look | NoKey, Field(discriminator="kind")]
    channels: dict[Channel, IdentifierKind | None] = Field(
        description="channels served and the address each needs; null: none"
    )
    classes: tuple[ContactClass, ...] = Field(description="classes of contact it may carry")


class Erased(Strict):
    """That it deletes a person, and by what it must be asked; empty: our id is enough."""

    needs: tuple[IdentifierKind, ...] = ()


class Wired(Strict):
    """One kind of target with a wire of its own. It keeps no profiles for us."""

    name: str
    wire: Literal["smtp", "file"]
    verified: Literal["live", "recorded", "documented"]
    vars: dict[str, Var] = Field(default_factory=dict)
    limits: Limits = Limits()
    formats: Formats = Formats()
    act: Carried
    erase: Erased | None = Field(None, description="null: to be asked there by hand")
    push_profile: None = None
    update: None = None

    @property
    def used_by_actions(self) -> frozenset[str]:
        """It has no requests that could ask for names."""
        return frozenset()

    @property
    def numbers_templates(self) -> bool:
        """Its templates are files, known by our names."""
        return False

    def may_write(self, field: str) -> bool:
        """Tell whether a target may map an attribute to this name: never one of consent."""
        return may_write(field, ())


def wired_names() -> tuple[str, ...]:
    """List the presets that have a wire of their own."""
    return tuple(sorted(_files()))


@cache
def load_wired(name: str) -> Wired:
    """Read one of `wired_names()`. Raises `ConfigError` when its file is wrong."""
    return load_yaml(_files()[name], Wired).value


@cache
def _files() -> dict[str, File]:
    return {file.stem: file for wire in _WIRES for file in (_FOLDER / wire).glob("*.yaml")}
