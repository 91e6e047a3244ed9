"""What a look at her consent changes: only a new refusal is news."""

import pytest

from services.dispatcher.calls.calls import Scope, Shown
from services.dispatcher.consent.change import after, channel_of
from shared.events.vocabulary import Channel, Identifier, IdentifierKind


def seen(kind: IdentifierKind = "email", **refused: str | None) -> Shown:
    """A look; each channel by its name."""
    return Shown(Identifier(kind=kind, value="somebody"), dict(refused))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "look", "refused", "new"),
    [
        pytest.param({}, seen(email=None, sms=None), {}, (), id="she refuses nothing"),
        pytest.param({}, seen(email="f"), {"email": "f"}, ("email",), id="she refuses"),
        pytest.param({"email": "f"}, seen(email="f"), {"email": "f"}, (), id="she still refuses"),
        pytest.param({"email": "f"}, seen(email=None), {}, (), id="a yes is no news"),
        pytest.param(
            {"email": "f"}, seen(email="f", sms="g"), {"email": "f", "sms": "g"}, ("sms",),
            id="one more",
        ),
        pytest.param(
            {"email": "f"}, seen(sms=None), {"email": "f"}, (), id="what is not shown stands"
        ),
        pytest.param({"email": "f"}, seen(email="g"), {"email": "g"}, (), id="by another field"),
        pytest.param(
            {}, seen(any="f", email="g"), {"any": "f", "email": "g"}, ("any", "email"), id="all"
        ),
    ],
)  # fmt: skip
def test_only_a_refusal_that_is_new_is_news(
    known: dict[Scope, str], look: Shown, refused: dict[Scope, str], new: tuple[Scope, ...]
) -> None:
    """The same look again never is."""
    change = after(known, look)
    assert (change.refused, change.new) == (refused, new)
    assert after(change.refused, look).new == ()


@pytest.mark.parametrize(
    ("look", "channel", "proof"),
    [
        pytest.param(seen(any="black", email="mail"), "email", "black, mail", id="a channel named"),
        pytest.param(seen(any="black"), "email", "black", id="any, by e-mail"),
        pytest.param(seen("phone", any="black"), "sms", "black", id="any, by telephone"),
        pytest.param(seen(post="letters"), "post", "letters", id="post"),
    ],
)
def test_a_refusal_is_told_of_a_channel_with_the_fields_that_show_it(
    look: Shown, channel: Channel, proof: str
) -> None:
    """What names none is of the channel that her identifier belongs to."""
    change = after({}, look)
    assert (channel_of(change, look), change.proof) == (channel, proof)
