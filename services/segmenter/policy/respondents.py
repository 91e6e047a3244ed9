"""Section `test_respondents`: who is staff or answers only to try things out."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from services.segmenter.policy.words import Name
from shared.settings import Strict


def _domain(name: str) -> str:
    if not re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+", name):
        raise ValueError(
            "write the domain alone, in lower case and an international one in its xn-- form, "
            "such as staff.example.com: no @, no *; its sub-domains are meant, too"
        )
    return name


def _pattern(pattern: str) -> str:
    if "[" in pattern:
        raise ValueError("only * and ? stand for anything: write one line for each, without [")
    if not pattern.strip("*?"):
        raise ValueError("this would make everybody a test respondent: write more than * and ?")
    return pattern


def _texts(values: object) -> object:
    """Take values as YAML reads them: an unquoted yes is true there, a code may be a number."""
    if not isinstance(values, list):
        return values
    texts: list[object] = []
    for value in values:
        if isinstance(value, bool):
            texts += ["true", "yes"] if value else ["false", "no"]
        else:
            texts.append(str(value) if isinstance(value, int | float) else value)
    return texts


#: Words that an attribute may say, compared without case; true and false are words as well.
_Said = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(_texts, json_schema_input_type=list[str | bool | int | float]),
]


class Respondents(Strict):
    """Any one of these makes a test respondent.

    `domains` of e-mail addresses, their sub-domains among them; `attributes` with one of the values
    given; `external_ids` by pattern (`*` and `?` stand for anything).
    """

    domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()
    attributes: dict[Name, _Said] = Field(default_factory=dict)
    external_ids: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()
