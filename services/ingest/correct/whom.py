"""How a person is named in a request about her, normalised as what was kept. Pure but for problems.

In: identifiers as somebody typed them. Out: all that they may have been written as; or the problem
422, which names the field and never what was sent.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from shared.events.vocabulary import Identifier
from shared.http.problems import Problem
from shared.identifiers import Rules

Kind = Literal["email", "phone", "external_id"]
_Text = Annotated[str, Field(min_length=1, max_length=512)]
#: Every identifier of hers that is known.
Named = Annotated[dict[Kind, _Text], Field(min_length=1)]


def normalised(named: Mapping[Kind, str], rules: Rules) -> list[Identifier]:
    """Normalise what was given; one that is none is refused, or nothing would be found by it."""
    found = {kind: rules.spellings(kind, text) for kind, text in named.items()}
    wrong = sorted(kind for kind, spellings in found.items() if not spellings)
    if wrong:
        where = "; ".join(f"identifiers.{kind}" for kind in wrong)
        raise Problem(422, "invalid-request", f"correct these fields: {where}")
    return [identifier for spellings in found.values() for identifier in spellings]
