"""The page behind a message's link to unsubscribe: one button, in French or English. Pure.

In: what there is to say, the reader's languages as her browser tells them. Out: HTML that needs no
script, no picture and nothing from elsewhere, and that says nothing about anybody.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "fr"]
#: What is to be said: a question, that it is done, that the link is none of ours, that it must be
#: tried again.
Scene = Literal["ask", "done", "unknown", "later"]


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    text: str
    button: str = ""


_SAID: Final[dict[Language, dict[Scene, _Words]]] = {
    "en": {
        "ask": _Words(
            "Unsubscribe",
            "You will get no more advertising and no more surveys from us. Messages about your own "
            "requests and orders still reach you.",
            "Unsubscribe",
        ),
        "done": _Words(
            "You are unsubscribed",
            "We will send you no more advertising and no more surveys. You may close this page.",
        ),
        "unknown": _Words(
            "This link does not work",
            "It is not complete, or not one of ours. Open it from the message again, or answer the "
            "message and ask to be unsubscribed.",
        ),
        "later": _Words(
            "Please try again in a minute",
            "Your wish could not be noted just now, and nothing has changed.",
            "Try again",
        ),
    },
    "fr": {
        "ask": _Words(
            "Se désinscrire",
            "Vous ne recevrez plus ni publicité ni enquête de notre part. Les messages sur vos "
            "propres demandes et commandes vous parviendront toujours.",
            "Me désinscrire",
        ),
        "done": _Words(
            "Vous êtes désinscrit(e)",
            "Nous ne vous enverrons plus ni publicité ni enquête. Vous pouvez fermer cette page.",
        ),
        "unknown": _Words(
            "Ce lien ne fonctionne pas",
            "Il n'est pas complet, ou n'est pas de nous. Ouvrez-le de nouveau depuis le message, "
            "ou répondez au message en demandant à être désinscrit(e).",
        ),
        "later": _Words(
            "Réessayez dans une minute",
            "Votre souhait n'a pas pu être noté à l'instant, et rien n'a changé.",
            "Réessayer",
        ),
    },
}
#: One of the browser's languages, with its weight: `fr-CA;q=0.8`.
_WANTED: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,64})?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*"
)
#: A browser lists a handful; a header of thousands is nobody's.
_MOST_WANTED: Final = 20

_PAGE: Final = """\
<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ margin: 0; background: #ffffff; color: #1a1a1a; font: 1.125rem/1.5 sans-serif }}
main {{ max-width: 34rem; margin: 0 auto; padding: 3rem 1.25rem }}
h1 {{ font-size: 1.6rem; line-height: 1.25 }}
button {{ font: inherit; padding: .75rem 1.5rem; border: 0; border-radius: .3rem;
  background: #14488c; color: #ffffff; cursor: pointer }}
button:focus-visible {{ outline: 3px solid #1a1a1a; outline-offset: 3px }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
{form}</main>
</body>
</html>
"""
#: Without an address it posts to its own, and says what a mail program says.
_FORM: Final = """\
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">{button}</button>
</form>
"""


def language_of(accepted: str) -> Language:
    """Choose by the header `Accept-Language`; English where it names neither."""
    best: tuple[float, Language] = (0.0, "en")
    for one in accepted.split(",")[:_MOST_WANTED]:
        found = _WANTED.fullmatch(one)
        if found is None:
            continue
        weight = float(found[2] or 1)
        name = found[1].lower()
        if weight > best[0] and name in ("en", "fr"):
            best = (weight, "fr" if name == "fr" else "en")
    return best[1]


def page(scene: Scene, language: Language) -> str:
    """Write the page."""
    words = _SAID[language][scene]
    form = _FORM.format(button=words.button) if words.button else ""
    return _PAGE.format(lang=language, title=words.title, text=words.text, form=form)
