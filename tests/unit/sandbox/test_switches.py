"""What a switch does to which call, and for how long."""

import pytest

from services.sandbox.switches import OK, Switch, all_ok, take, turn


def test_a_switch_holds_until_it_is_turned() -> None:
    """Without a number of calls, every call meets the switch."""
    switches = turn(all_ok(), "main", Switch(mode="503"))
    for _ in range(3):
        held, switches = take(switches, "main", "action")
        assert held.mode == "503"


def test_a_switch_for_the_next_calls_falls_back_to_ok() -> None:
    """After n calls the account behaves again."""
    switches = turn(all_ok(), "main", Switch(mode="reset", next=2))
    modes = []
    for _ in range(4):
        held, switches = take(switches, "main", "action")
        modes.append(held.mode)
    assert modes == ["reset", "reset", "ok", "ok"]
    assert switches["main"] == OK


def test_a_call_of_another_kind_neither_meets_nor_uses_up_a_switch() -> None:
    """A switch for actions leaves profile pushes alone."""
    switches = turn(all_ok(), "main", Switch(mode="hang", on="action", next=1))
    held, switches = take(switches, "main", "profile")
    assert held == OK
    held, switches = take(switches, "main", "action")
    assert held.mode == "hang"


@pytest.mark.parametrize(
    ("account", "main", "unkeyed"),
    [
        pytest.param("main", "429", "ok", id="one account"),
        pytest.param("unkeyed", "ok", "429", id="the other account"),
        pytest.param("all", "429", "429", id="all accounts"),
    ],
)
def test_a_switch_turns_the_accounts_it_names(account: str, main: str, unkeyed: str) -> None:
    """One account can misbehave while the other does not."""
    switches = turn(all_ok(), account, Switch(mode="429"))  # type: ignore[arg-type]
    assert (switches["main"].mode, switches["unkeyed"].mode) == (main, unkeyed)
