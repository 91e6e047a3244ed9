"""What must be there on a platform before anything is sent, and how to look, as data.

In: the part `preflight` of a preset's YAML. Out: frozen values; `findings` judges by them.
"""

from typing import Literal

from pydantic import Field, model_validator

from services.dispatcher.platforms.operation import Request
from services.dispatcher.platforms.pick import Path
from shared.settings import Strict

#: What a field takes.
Kind = Literal["text", "number", "moment", "boolean"]


class FieldsAt(Strict):
    """Where an answer describes the fields of a profile."""

    at: Path = Field(description="an object by field name, or a list")
    name: Path | None = Field(None, description="of a list: the field's name in each item")
    type: Path | None = Field(None, description="in each item: the platform's type")
    types: dict[str, tuple[Kind, ...]] = Field(
        default_factory=dict,
        description="the platform's type → what it takes; others are not judged",
    )
    values: Path | None = Field(
        None, description="in each item: the values of an enumeration, a list or an object by value"
    )
    value: Path | None = Field(None, description="of a list of objects: the value in each")


class NamesAt(Strict):
    """Where an answer lists templates or events that exist."""

    of: Literal["template", "event"]
    items: Path
    name: Path = Field(description="in each item; compared as text")


class Inspection(Strict):
    """One request that changes nothing, and what its answer must show."""

    id: str
    request: Request
    fields: FieldsAt | None = None
    names: NamesAt | None = None
    present: Path | None = Field(None, description="where something stands if we are known there")

    @model_validator(mode="after")
    def _only_looks(self) -> "Inspection":
        if self.request.method != "GET" or self.request.url is not None:
            raise ValueError("an inspection is a GET of a path")
        return self
