"""What a mail server's replies, and its silence, mean for one message. Pure.

In: how far the conversation was, the reply's code and enhanced status (RFC 5321, RFC 3463), or that
there was none. Out: a `Verdict`. Reasons are codes and our words: a server's text quotes addresses.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.dispatcher.calls.calls import Verdict

#: Steps of a conversation, in order. From `message` on the server may have taken it.
Stage = Literal[
    "connection", "greeting", "hello", "TLS", "sign-in", "sender", "recipient", "message"
]
#: `refused`: not an address to go to · `tls`: not whom the certificate should show · `no_tls`: it
#: offers none · `lost`, `late`: it fell silent.
Trouble = Literal["refused", "tls", "no_tls", "no_sign_in", "lost", "late"]

_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_WORDS: Final = {
    "5.1.1": "no such mailbox",
    "5.1.2": "no such domain",
    "5.1.10": "the domain takes no mail",
    "5.2.1": "the mailbox is closed",
    "5.2.2": "the mailbox is full",
    "5.7.1": "refused by the receiver's policy",
    "4.2.2": "the mailbox is full",
    "4.7.0": "the receiver asks to come back",
    "4.7.1": "the receiver asks to come back",
}
#: The whole account is meant, not one message: who we are, or that we may send at all.
_SIGN_IN_CODES: Final = frozenset({530, 534, 535, 538})
_OUR_SIDE: Final = frozenset({"greeting", "hello", "TLS", "sign-in"})
_TOO_LARGE: Final = 552
_CLOSING: Final = 421


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code, and the enhanced status where the server gives one."""

    code: int
    enhanced: str = ""


def read_reply(code: int, text: str) -> Reply:
    """Take from a reply what is not somebody's words."""
    found = _ENHANCED.match(text)
    return Reply(code, found[1] if found else "")


def judge_reply(stage: Stage, reply: Reply) -> Verdict:
    """Rule on a reply that is not the one hoped for."""
    said = " ".join(part for part in (f"SMTP {reply.code}", reply.enhanced) if part)
    words = _WORDS.get(reply.enhanced)
    reason = f"{said} at {stage}" + (f": {words}" if words else "")
    if reply.code == _CLOSING:
        return Verdict("throttle", reason)
    if 400 <= reply.code < 500:
        # A limit on who sends concerns all messages; one on a mailbox only this one.
        limited = stage in ("greeting", "hello", "sender")
        return Verdict("throttle" if limited else "retry", reason)
    if not 500 <= reply.code < 600:
        # No such reply exists here. After the message it may have been taken all the same.
        return Verdict("in_doubt" if stage == "message" else "retry", f"{reason}: not understood")
    if reply.code in _SIGN_IN_CODES or stage in _OUR_SIDE:
        return Verdict("disable_target", f"{reason}: check the account")
    if stage == "sender" and reply.code != _TOO_LARGE:
        return Verdict("disable_target", f"{reason}: the server does not take mail of `vars.from`")
    return Verdict("reject", reason)


def judge_trouble(stage: Stage, trouble: Trouble) -> Verdict:
    """Rule on a conversation that ended without a reply."""
    match trouble:
        case "refused":
            return Verdict(
                "disable_target", "the address is private (allow_private: true allows it)"
            )
        case "tls":
            return Verdict("disable_target", "TLS: the server's certificate is not to be trusted")
        case "no_tls":
            return Verdict("disable_target", "the server offers no STARTTLS: nothing was sent")
        case "no_sign_in":
            return Verdict("disable_target", "the server offers no way to sign in that we know")
        case "lost" | "late":
            how = "the connection broke" if trouble == "lost" else "no answer in time"
            if stage == "message":
                return Verdict("in_doubt", f"sent, but not answered: {how}")
            return Verdict("retry", f"{how} at {stage}")
