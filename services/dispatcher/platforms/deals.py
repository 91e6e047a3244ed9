"""A push or an action in the words of one target: the names that its request templates use. Pure.

In: `ProfilePush`, `ActionCall` or `Deletion`, the account, how the target names things. Out: a
`Deal` for the exchange, or the `Verdict` where this target cannot do it at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.dispatcher.calls.calls import ActionCall, Deletion, Inquiry, ProfilePush, Verdict
from services.dispatcher.platforms import render
from services.dispatcher.platforms.fields import Written, in_message, listed, moment, written
from services.dispatcher.platforms.operation import Operation, Step
from services.dispatcher.platforms.preset import Formats, Preset
from services.dispatcher.platforms.status import STEP
from services.dispatcher.platforms.words import Voice, person, text, title
from shared.events.vocabulary import Channel, Identifier, Value
from shared.times import iso

#: Who asks where a helpdesk wants somebody and a notice is about nobody.
_NOBODY: Final = "nps-connector"


@dataclass(frozen=True, slots=True)
class Account:
    """One target as the interpreter sees it."""

    preset: Preset
    base_url: str
    vars: Mapping[str, str] = field(repr=False)
    webhook_keys: tuple[bytes, ...] = field(default=(), repr=False)
    #: The header that says who we are, where it is the same for every request.
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Deal:
    """What is to be done, once: an operation and the values of its names.

    `acts`: it does something to the customer, so an unanswered request leaves doubt; `keyed`: a
    repeat under the same key is recognised, so doubt may be ended by repeating. `message_id`
    names the push or the action to a receiver that forgets repeats. After `deadline` no request
    with an effect may leave.
    """

    operation: Operation
    names: Mapping[str, Any]
    acts: bool
    keyed: bool
    message_id: str
    channel: Channel | None = None
    contact_class: str | None = None
    deadline: datetime | None = None
    #: The names of each item, where it is a batch: then `names` are those they have in common.
    members: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """How one target names things: what it lists is all that is ever written."""

    attributes: Mapping[str, Written] = field(default_factory=dict)
    message: Mapping[str, Written] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    voice: Voice = field(default_factory=Voice)


def push_deal(
    account: Account, names: Names, push: ProfilePush, *, now: datetime
) -> Deal | Verdict:
    """Put a profile push into the names that templates use, or say that this target takes none."""
    preset = account.preset
    if preset.push_profile is None:
        return Verdict("reject", "this platform keeps no profiles for us")
    # The same push tried again is the same message; a newer version is another.
    message_id = f"{push.customer_id}-{push.version}"
    said = {
        **_common(account, push.customer_id, push.identifiers, now),
        "message_id": message_id,
        "version": push.version,
        **_attributes(push.attributes, names, preset.formats),
    }
    return Deal(
        operation=preset.push_profile, names=said, acts=False, keyed=True, message_id=message_id
    )


def erase_deal(account: Account, deletion: Deletion, *, now: datetime) -> Deal | Verdict:
    """Put a deletion into the names that templates use, or say that this target takes none."""
    if account.preset.erase is None:
        return Verdict("reject", "this platform takes no deletion from us")
    said = {
        **_common(account, deletion.customer_id, deletion.identifiers, now),
        "message_id": deletion.message_id,
    }
    return Deal(
        operation=account.preset.erase,
        names=said,
        acts=False,
        keyed=True,
        message_id=deletion.message_id,
    )


def action_deal(
    account: Account, names: Names, call: ActionCall, *, keyed: bool, now: datetime
) -> Deal | Verdict:
    """Put an action into the names that templates use, or say why this target cannot perform it."""
    preset = account.preset
    if preset.act is None:
        return Verdict("reject", "this platform takes no actions from us")
    if preset.act.classes is not None and call.contact_class not in preset.act.classes:
        return Verdict("reject", f"this target does not carry the class {call.contact_class}")
    common = _common(account, call.customer_id, call.identifiers, now)
    served = preset.act.channels
    if served is not None:
        if call.channel not in served:
            return Verdict("reject", f"this target does not serve the channel {call.channel}")
        address = served[call.channel]
        if address is not None and not common[address]:
            return Verdict(
                "reject", f"the customer has no {address} for the channel {call.channel}"
            )
    event = event_for(names.events, call.action, call.variant)
    if event is None and "event" in preset.used_by_actions:
        return Verdict("park", f"targets.yaml names no event for the action {call.action}")
    context = {**written(call.attributes, names.message, preset.formats), **call.context}
    delivery = str(call.delivery_id)
    room = call.context.get("room") or common.get("room")
    said = {
        **common,
        # A notice is about nobody.
        **({"customer": None} if call.notice else {}),
        "room": room,
        "message_id": delivery,
        "delivery_id": delivery,
        "delivery_hex": call.delivery_id.hex,
        "idempotency_key": delivery if keyed else None,
        "play": call.play,
        "action": call.action,
        "variant": call.variant,
        "template": names.templates.get(call.template, call.template),
        "event": event,
        "channel": call.channel,
        "channel_code": preset.formats.channels.get(call.channel, call.channel),
        "contact_class": call.contact_class,
        "deadline": moment(call.deadline, preset.formats.deadline),
        "seconds_left": max(1, int((call.deadline - now).total_seconds())),
        **_attributes(call.attributes, names, preset.formats),
        **_context(in_message(context, preset.formats), preset.formats),
        **_words(call, names, preset, common),
        "to.email": common["email"] if call.channel == "email" else None,
        "to.sms": common["phone"] if call.channel == "sms" else None,
    }
    shown = call.corrects.reference if call.corrects and preset.update else None
    if shown:
        said["reference"] = shown
    return Deal(
        operation=preset.update if preset.update and shown else preset.act,
        names=said,
        # Showing the same anew twice does no harm.
        acts=not shown,
        deadline=call.deadline,
        keyed=keyed or bool(shown),
        message_id=delivery,
        channel=call.channel,
        contact_class=call.contact_class,
    )


def status_deal(account: Account, inquiry: Inquiry, *, now: datetime) -> Deal | Verdict:
    """Put a question what became of a message into the names that its request uses."""
    status = account.preset.status
    if status is None:
        return Verdict("reject", "this platform cannot be asked what became of a message")
    delivery = str(inquiry.delivery_id)
    asked = {status.request.url} | render.names(status.request.templates)
    if "reference" in asked and not inquiry.reference:
        return Verdict("reject", "the platform gave no name to ask by")
    return Deal(
        operation=Operation(success="ok", steps=(Step(id=STEP, request=status.request),)),
        names={
            **account.vars,
            "reference": inquiry.reference,
            "delivery_id": delivery,
            "delivery_hex": inquiry.delivery_id.hex,
            "message_id": delivery,
            "sent_at": iso(now),
        },
        acts=False,
        keyed=True,
        message_id=delivery,
    )


def event_for(events: Mapping[str, str], action: str, variant: str) -> str | None:
    """Return the platform's event for an action: the variant's own, else the action's."""
    return events.get(f"{action}/{variant}", events.get(action))


def _attributes(
    attributes: Mapping[str, Value], names: Names, formats: Formats
) -> dict[str, dict[str, Any] | list[dict[str, Any]]]:
    said = written(attributes, names.attributes, formats)
    return {"attributes": said, "attribute_list": listed(said, formats)}


def _context(said: dict[str, Any], formats: Formats) -> dict[str, Any]:
    """Say what a message is about: as values, and as a list of them."""
    return {"context": said, "context_list": listed(said, formats)}


def _words(
    call: ActionCall, names: Names, preset: Preset, known: Mapping[str, Any]
) -> dict[str, str | None]:
    """Say it for a reader, where one reads: of her no more than the target lists for messages."""
    if preset.used_by_actions.isdisjoint({"title", "text", "person"}):
        return {}
    if call.notice is not None:
        named = {"person": "NPS", "requester": _NOBODY}
        return {"title": call.notice[0], "text": call.notice[1], **named}
    said = {name: call.attributes[name] for name in names.message if name in call.attributes}
    return {
        "title": title(call, said, names.voice),
        "text": text(call, said, names.voice),
        "person": person(said, known),
        "requester": known["external_id"],
    }


def _common(
    account: Account, customer_id: object, identifiers: tuple[Identifier, ...], now: datetime
) -> dict[str, Any]:
    """Name the account and the person; the first identifier of each kind is the one in use."""
    known: dict[str, str | None] = {"email": None, "phone": None, "external_id": None}
    for identifier in reversed(identifiers):
        if identifier.kind in known:
            known[identifier.kind] = identifier.value
    return {**account.vars, **known, "customer": str(customer_id), "sent_at": iso(now)}
