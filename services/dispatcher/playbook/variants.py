"""Variants of a message: theme by language and tone → the platform's template, as strict values."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

#: Of a play, an action, a target, a pool, an arm.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


def _as_lookup(raw: object) -> object:
    """Let one template stand for all languages: `price: REASSURE_PRICE`."""
    return {"default": raw} if isinstance(raw, str) else raw


def _found_by(templates: dict[str, str]) -> dict[str, str]:
    """Refuse a key that no customer's language and tone would ever find."""
    for key in templates:
        if not re.fullmatch(r"default|tu|vous|[a-z]{2,3}(-(tu|vous))?", key):
            raise ValueError(
                f"no one finds '{key}': write default, a language (fr), a tone (tu, vous), "
                "or both (fr-tu)"
            )
    return templates


#: `<language>-<tone>`, `<language>`, `<tone>` or `default` → the platform's template.
Templates = Annotated[
    dict[str, str],
    BeforeValidator(_as_lookup, json_schema_input_type=str | dict[str, str]),
    AfterValidator(_found_by),
]


def _for_everybody(variants: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Refuse variants that leave some customer without a template."""
    if "default" not in variants:
        raise ValueError("variants need a 'default': it is taken for every other theme")
    if any("default" not in templates for templates in variants.values()):
        raise ValueError("every variant needs a 'default' template for other languages")
    return variants


#: Theme (or `default`) → its templates.
Variants = Annotated[dict[str, Templates], AfterValidator(_for_everybody)]
