"""What must be there on a platform before anything is sent, and how to look, as data.

In: the part `preflight` of a preset's YAML. Out: frozen values; `findings` judges by them.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.dispatcher.platforms.operation import Request
from services.dispatcher.platforms.pick import Path
from shared.settings import Strict

#: What a field takes.
Kind = Literal["text", "number", "moment", "boolean"]

#: A path in which `{{name}}` stands for a var of the account.
_NamedPath = Annotated[str, Field(pattern=r"^\$(\.([\w@-]|\{\{\w+\}\})+|\[\d+\])*$")]


class FieldsAt(Strict):
    """Where an answer describes the fields of a profile."""

    at: _NamedPath = Field(description="an object by field name, or items; `{{name}}`: a var")
    name: Path | None = Field(None, description="the field's name in each item, where it is no key")
    type: Path | None = Field(None, description="in each item: the platform's type")
    types: dict[str, tuple[Kind, ...]] = Field(
        default_factory=dict,
        description="the platform's type → what it takes; others are not judged",
    )
    values: Path | None = Field(
        None, description="in each item: the values of an enumeration, a list or an object by value"
    )
    value: Path | None = Field(None, description="of a list of objects: the value in each")
    ours: tuple[str, ...] = Field(
        (), description="fields that our own requests write; `{{name}}`: a var"
    )
    made: bool = Field(False, description="one that is not there is made by the first write")
    page: int | None = Field(
        None, ge=1, description="so many are a full page: others may be on the next; null: all"
    )


class NamesAt(Strict):
    """Where an answer lists templates or events that exist."""

    of: Literal["template", "event"]
    items: Path = Field(description="a list, or an object whose values are the items")
    name: Path = Field(description="in each item; compared as text")
    page: int | None = Field(
        None, ge=1, description="so many are a full page: others may be on the next; null: all"
    )


class Inspection(Strict):
    """One request that changes nothing, and what its answer must show."""

    id: str
    request: Request
    fields: FieldsAt | None = None
    names: NamesAt | None = None
    present: Path | None = Field(None, description="where something stands if we are known there")

    @property
    def templates(self) -> list[object]:
        """Everything that may name a var."""
        own = [self.fields.at, *self.fields.ours] if self.fields else []
        return [*self.request.templates, *own]

    @model_validator(mode="after")
    def _only_looks(self) -> "Inspection":
        if self.request.method != "GET" or self.request.url is not None:
            raise ValueError("an inspection is a GET of a path")
        return self
