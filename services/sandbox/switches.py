"""How the sandbox misbehaves on demand. Pure: a call comes in, the next switches go out.

A switch holds for one account until it is turned, or for its next n calls and then falls back to
`ok`.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Account = Literal["main", "unkeyed"]
Kind = Literal["profile", "action", "erasure"]
#: `hang` and `reset` take effect and never answer: what the caller calls "in doubt".
Mode = Literal["ok", "503", "429", "slow", "hang", "reset"]

ACCOUNTS: Final[tuple[Account, ...]] = ("main", "unkeyed")


class Switch(BaseModel):
    """What an account answers, to which kind of call, and for how many more calls (None: on)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "ok"
    on: Kind | Literal["all"] = "all"
    retry_after_s: Annotated[int, Field(ge=0, le=86_400)] = 10
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] = 2_000
    next: Annotated[int | None, Field(ge=1, le=1_000_000)] = None

    def touches(self, kind: Kind) -> bool:
        """Tell whether this switch changes the answer to such a call."""
        return self.mode != "ok" and self.on in ("all", kind)


OK: Final = Switch()
Switches = Mapping[Account, Switch]


def all_ok() -> Switches:
    """Every account behaves."""
    return dict.fromkeys(ACCOUNTS, OK)


def turn(switches: Switches, account: Account | Literal["all"], switch: Switch) -> Switches:
    """Set one account, or all."""
    turned = ACCOUNTS if account == "all" else (account,)
    return {**switches, **dict.fromkeys(turned, switch)}


def take(switches: Switches, account: Account, kind: Kind) -> tuple[Switch, Switches]:
    """Answer one call: the switch that holds for it, and the switches after it."""
    switch = switches[account]
    if not switch.touches(kind):
        return OK, switches
    if switch.next is None:
        return switch, switches
    left = switch.next - 1
    after = switch.model_copy(update={"next": left}) if left else OK
    return switch, {**switches, account: after}
