"""`nps target try`: the exact requests that a push or a play's action would send, secrets hidden.

In: the configuration folder; an invented customer, a saved decision or one of a running instance.
Out: the requests in order, or with `--json` one JSON object; nothing is sent without `--send`, and
then only to a target with `sandbox: true`. Exit codes: 0 done, 1 the target would not take it, or a
request cannot be written, 2 a setting, a file or an option is wrong, 75 no instance answers.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, get_args
from uuid import UUID

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Verdict
from services.dispatcher.cli.target import Name
from services.dispatcher.lanes.flights import BUDGET
from services.dispatcher.ledger.recipients import read_state
from services.dispatcher.platforms.rehearse import Shown
from services.dispatcher.platforms.wired import Wired, wired_names
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.targets.settings import TargetsConfig, TargetSettings, check
from services.dispatcher.targets.targets import open_targets
from services.dispatcher.targets.tryout import EXAMPLE, Tried, call_of, of_decision, push_of, show
from services.dispatcher.targets.wired import check_wired
from services.dispatcher.targets.wired_tryout import show_wired
from shared.errors import ConfigError
from shared.events.decisions import CustomerDecided
from shared.events.vocabulary import Channel
from shared.instance import HERE, Json, Url, explained, server
from shared.process import read_settings
from shared.screen import write_json
from shared.settings import Secrets, load_yaml

_KINDS: Final = ("external_id", "email", "phone")


def try_target(
    context: typer.Context,
    name: Name,
    *,
    customer: Annotated[
        str | None,
        typer.Option(help="of a running instance: her id, or external_id:…, email:…, phone:…"),
    ] = None,
    decision: Annotated[
        Path | None, typer.Option(help="a saved decision: its event or the event's data, as JSON")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="an invented customer")] = False,
    play: Annotated[
        str | None, typer.Option(help="the action of this play, at this target")
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="her profile")] = False,
    channel: Annotated[str | None, typer.Option(help="else the play's first")] = None,
    send: Annotated[
        bool, typer.Option("--send/--dry-run", help="really send; to a sandbox target only")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="folder of the configuration (default: NPS_CONFIG)")
    ] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Show the exact requests that would be sent; a target that is not enabled can be tried, too.

    Customers of a running instance need a token of the scope `erase`: all of it is personal.
    """
    with explained():
        folder = config or read_settings().config
        settings = _settings_of(folder, name)
        wired = settings.preset in wired_names()
        preset = check_wired(settings) if wired else check(settings)
        now = datetime.now(UTC)
        who = _whom(context, url, customer, decision, example=example)
        asked = _what(folder, settings, who, now, play=play, channel=channel, push=push)
        if send:
            verdict = _sent(folder, name, settings, asked)
            _tell_verdict(name, verdict, json=json)
            return
        secrets = Secrets(dict(os.environ))
        if isinstance(preset, Wired):
            shown = show_wired(preset, settings, secrets, asked, beside=folder, now=now)
        else:
            shown = show(preset, settings, secrets, asked, now)
    if isinstance(shown, Verdict):
        _tell_verdict(name, shown, json=json)
        return
    shown = tuple(replace(one, why=_with_fix(one.why, asked)) for one in shown)
    _tell_shown(name, settings, preset.verified, asked, shown, json=json)
    if any(one.why and not one.passed_over for one in shown):
        raise typer.Exit(1)


def _with_fix(why: str, asked: ProfilePush | ActionCall) -> str:
    """Add to why a request cannot be written what to do about it, where that is known."""
    if isinstance(asked, ActionCall) and why.endswith("template cannot be written as int"):
        return f"{why}: add {asked.template} with its number to the target's `templates`"
    return why


def _tell_shown(
    name: str,
    settings: TargetSettings,
    verified: str,
    asked: ProfilePush | ActionCall,
    shown: Sequence[Shown],
    *,
    json: bool,
) -> None:
    if json:
        requests = [_as_json(one) for one in shown]
        write_json({"target": name, "sent": False, **_message(asked), "requests": requests})
        return
    head = f"{name} ({settings.preset}, {verified}"
    told = ", ".join(f"{key} {value}" for key, value in _message(asked).items())
    _print(f"{head}{'' if settings.enabled else ', not enabled'}): nothing was sent.", told, shown)


def _settings_of(folder: Path, name: str) -> TargetSettings:
    targets = load_yaml(folder / "targets.yaml", TargetsConfig).value.targets
    if name not in targets:
        known = ", ".join(sorted(targets))
        raise ConfigError(f"{folder / 'targets.yaml'} has no target {name}: one of {known}")
    return targets[name]


def _whom(
    context: typer.Context, url: str, customer: str | None, decision: Path | None, *, example: bool
) -> Tried:
    if sum((customer is not None, decision is not None, example)) != 1:
        raise ConfigError("give one of --customer, --decision and --example")
    if customer is not None:
        return _customer(context, url, customer)
    return EXAMPLE if decision is None else _decision(decision)


def _decision(file: Path) -> Tried:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    try:
        return of_decision(_event(raw))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        raise ConfigError(f"{file}: not a decision (see {fields})") from None


def _event(raw: bytes) -> CustomerDecided:
    """Read the data of a decision, by itself or in its event."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = None
    inner = said.get("data") if isinstance(said, dict) else None
    return CustomerDecided.model_validate_json(orjson.dumps(inner or said))


def _customer(context: typer.Context, url: str, said: str) -> Tried:
    kind, colon, value = said.partition(":")
    if colon and kind in _KINDS:
        wish = {kind: value}
    else:
        try:
            wish = {"customer_id": str(UUID(said))}
        except ValueError:
            raise ConfigError("--customer: her id, or external_id:…, email:… or phone:…") from None
    with server(context, url) as at:
        ids = at.post("/v1/customers/export", wish)["customer_ids"]
        kept = at.post("/v1/recipients/export", {"customer_ids": ids}) if ids else {}
    rows = [row for row in kept.get("recipients", []) if row["state"] and not row["merged_into"]]
    if not rows:
        raise ConfigError("--customer: no decision about her has come to the dispatcher")
    state = read_state(rows[0]["state"])
    if state is None:
        raise ConfigError("--customer: no decision about her has come to the dispatcher")
    return Tried(
        UUID(rows[0]["customer_id"]),
        state.identifiers,
        state.attributes,
        version=rows[0]["version"],
    )


def _what(
    folder: Path,
    settings: TargetSettings,
    who: Tried,
    now: datetime,
    *,
    play: str | None,
    channel: str | None,
    push: bool,
) -> ProfilePush | ActionCall:
    if (play is not None) is push:
        raise ConfigError("give either --push or --play NAME")
    if play is None:
        return push_of(settings, who)
    playbook = load_yaml(folder / "playbook.yaml", Playbook).value
    found = next((one for one in playbook.plays if one.name == play), None)
    if found is None:
        names = ", ".join(one.name for one in playbook.plays)
        raise ConfigError(f"--play: no play is called {play}: one of {names}")
    channels: tuple[Channel, ...] = get_args(Channel)
    by = next((one for one in channels if one == channel), None)
    if channel is not None and by is None:
        raise ConfigError(f"--channel: one of {', '.join(channels)}")
    return call_of(settings, who, found, playbook, channel=by, now=now)


def _sent(
    folder: Path, name: str, settings: TargetSettings, asked: ProfilePush | ActionCall
) -> Verdict:
    """Send for real, to a target that reaches nobody."""
    if not settings.sandbox:
        raise ConfigError(f"--send: {name} is no target with `sandbox: true`: only shown, not sent")
    if not settings.enabled:
        raise ConfigError(f"--send: {name} is not enabled: only shown, not sent")

    async def go() -> Verdict:
        now = datetime.now(UTC)
        targets = await open_targets(
            folder / "targets.yaml",
            Secrets(dict(os.environ)),
            clock=lambda: datetime.now(UTC),
            route_key=read_settings().route_key,
        )
        try:
            carrier = targets[name].carrier
            if isinstance(asked, ProfilePush):
                return await carrier.push_profile(asked, budget=BUDGET, now=now)
            return await carrier.act(asked, budget=BUDGET, now=now)
        finally:
            await targets.close()

    return asyncio.run(go())


def _tell_verdict(name: str, verdict: Verdict, *, json: bool) -> None:
    told = {"outcome": verdict.outcome, "reason": verdict.reason, "reference": verdict.reference}
    if json:
        write_json({"target": name, **told})
    else:
        typer.echo(f"{name}: {verdict.outcome}: {verdict.reason}")
    if verdict.outcome not in ("ok", "accepted"):
        raise typer.Exit(1)


def _as_json(one: Shown) -> dict[str, Any]:
    return {
        "step": one.step,
        "reached": one.reached,
        "method": one.method,
        "url": one.url,
        "headers": dict(one.headers),
        "body": one.body,
        "why": one.why,
    }


def _message(asked: ProfilePush | ActionCall) -> dict[str, str]:
    """Say what the target's `events` and `templates` are looked up by."""
    if isinstance(asked, ProfilePush):
        return {}
    return {
        "action": asked.action,
        "variant": asked.variant,
        "template": asked.template,
        "channel": asked.channel,
    }


def _print(head: str, message: str, shown: Sequence[Shown]) -> None:
    console = Console(highlight=False)
    for line in (head, message):
        if line:
            console.print(Text(line), soft_wrap=True)
    for one in shown:
        console.print()
        console.print(Text(f"# {one.step}: {one.reached}", style="bold"), soft_wrap=True)
        if one.why:
            console.print(Text(one.why), soft_wrap=True)
            continue
        lines = [f"{one.method} {one.url}", *(f"{key}: {value}" for key, value in one.headers)]
        console.print(Text("\n".join(lines)), soft_wrap=True)
        if one.body:
            console.print(Text(f"\n{one.body}"), soft_wrap=True)
