"""Making wire values of parts that are what the fields take already, without asking each again.

In: the fields of a model, all of them and in their order. Out: the value that the model's own
constructor makes of them. For what is made on every message and whose makers have checked more than
the model does: of an answer's 16 fields pydantic takes 5.7 µs, this 1.4 (of a model of two fields
this takes longer than pydantic). Every reader validates what it decodes. Pure.
"""

from typing import Any, TypeVar

from shared.events.vocabulary import Fact

T = TypeVar("T", bound=Fact)

_put = object.__setattr__


def made(model: type[T], fields: dict[str, Any]) -> T:
    """Make a value; `fields` becomes its own and is not looked at."""
    value = model.__new__(model)
    _put(value, "__dict__", fields)
    _put(value, "__pydantic_fields_set__", set(fields))
    _put(value, "__pydantic_extra__", None)
    _put(value, "__pydantic_private__", None)
    return value
