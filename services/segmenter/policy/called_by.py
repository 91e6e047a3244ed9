"""Section `called_by`: titles as they are said in front of a name."""

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.settings import Strict

_Title = Annotated[str, Field(min_length=1, max_length=40)]
_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


def _folded(titles: dict[str, str]) -> dict[str, str]:
    wrong = next((title for title in titles if title != title.casefold().rstrip(".")), None)
    if wrong is not None:
        raise ValueError(f"write {wrong.casefold().rstrip('.')}: lower case, without a full stop")
    return titles


class CalledBy(Strict):
    """Language → title as systems write it (lower case, no full stop) → title as it is said."""

    titles: dict[_Language, Annotated[dict[_Title, _Title], AfterValidator(_folded)]] = Field(
        default_factory=dict
    )
