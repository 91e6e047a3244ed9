"""The target in a route's path: how it is written, and what an unknown one is answered."""

from typing import Annotated, Any, Final

from fastapi import Path

TargetName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
NO_SUCH_TARGET: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No target of this name is configured"}
}
