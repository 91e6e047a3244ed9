"""Section `attributes`: what a CRM's fields hold, so that a slip in one of them is noticed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from services.segmenter.policy.words import Name, once
from shared.settings import Strict

AttributeKind = Literal["text", "number", "money", "date", "moment", "flag", "list", "choice"]


class AttributeType(Strict):
    """What an attribute holds; a `choice` names its values.

    `also` are other names by which sources tell the same: of all of them the newest word counts.
    """

    type: AttributeKind
    values: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    also: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _names_the_values_of_a_choice(self) -> "AttributeType":
        if (self.type == "choice") != bool(self.values):
            raise ValueError("a choice names its `values`, and nothing else has any")
        return self


def _short(value: object) -> object:
    """Let `aov: money` stand for `aov: {type: money}`."""
    return {"type": value} if isinstance(value, str) else value


def _one_meaning(declared: dict[str, AttributeType]) -> dict[str, AttributeType]:
    """Refuse a name that would stand for two attributes."""
    once("name", (*declared, *(name for one in declared.values() for name in one.also)))
    return declared


Attributes = Annotated[
    dict[
        Name,
        Annotated[
            AttributeType, BeforeValidator(_short, json_schema_input_type=str | AttributeType)
        ],
    ],
    AfterValidator(_one_meaning),
]
