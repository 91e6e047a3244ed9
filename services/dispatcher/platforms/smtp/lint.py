"""What is wrong with a message as it will be read. Pure.

In: a written message. Out: one sentence for each mistake, empty if there is none. The rules are
those that a careful person would check by hand in every template and every language, and forget.
"""

import re
from collections.abc import Iterator
from typing import Final

from services.dispatcher.platforms.smtp.colours import ENOUGH, contrast
from services.dispatcher.platforms.smtp.page import Page, read_page
from services.dispatcher.platforms.smtp.shelf import Written

#: Telephones cut a subject after this much.
LONGEST_SUBJECT: Final = 60
#: Words of a link that say nothing of where it leads, to somebody who hears them alone.
_VAGUE: Final = frozenset(
    {
        *("here", "click here", "click", "link", "this link", "read more", "more", "learn more"),
        *("ici", "cliquez ici", "clique ici", "lien", "ce lien", "en savoir plus", "lire la suite"),
    }
)
_TU: Final = re.compile(r"\b(?:tu|te|toi|ton|ta|tes|tien|tienne)\b|\bt['\u2019]", re.IGNORECASE)
_VOUS: Final = re.compile(r"\b(?:vous|votre|vos|vôtre|vôtres)\b", re.IGNORECASE)
_URL: Final = re.compile(r"(?:https?|mailto):[^\s<>\"]+")
_UNRESOLVED: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\$\{|%%|\b(?:None|undefined|null)\b")
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+")
_SPACE: Final = re.compile(r"\s+")


def lint(written: Written) -> tuple[str, ...]:
    """Name every mistake of one message."""
    page = read_page(written.html)
    return tuple(
        dict.fromkeys(
            [
                *_subject(written.subject),
                *_page(page, written.language),
                *_links(page),
                *_same(page, written.text),
                *_tone(written, page),
                *_resolved(written, page),
            ]
        )
    )


def _subject(subject: str) -> Iterator[str]:
    if not subject:
        yield "subject: empty"
    if len(subject) > LONGEST_SUBJECT:
        yield f"subject: {len(subject)} characters: at most {LONGEST_SUBJECT}"


def _page(page: Page, language: str) -> Iterator[str]:
    if page.lang.partition("-")[0] != language:
        yield f'html: lang="{language}" is missing from <html>: screen readers need it'
    for tag in page.foreign:
        yield f"html: <{tag}>: mail programs drop it, write styles in each element"
    for source in page.pictures_without_alt:
        yield f'html: a picture has no alt text ({source}): alt="" if it only decorates'
    for said in page.unread_colours:
        yield f"html: colour {said} is not understood: write it as #rrggbb"
    for seen in page.seen:
        found = contrast(seen.colour, seen.ground)
        if found < ENOUGH:
            yield f'html: contrast {found:.1f} of "{seen.text[:40]}": at least {ENOUGH}'


def _links(page: Page) -> Iterator[str]:
    for link in page.links:
        text = _spaced(link.text).strip(" .:!→>»")
        if not text:
            yield "html: a link has no text"
        elif text.lower() in _VAGUE or _URL.fullmatch(text):
            yield f'html: the link "{text[:40]}" does not say where it leads'
        if not _URL.fullmatch(link.href):
            yield f'html: the link "{text[:40]}" leads nowhere: an absolute https URL'
        elif link.href.startswith("http:"):
            yield f'html: the link "{text[:40]}" goes without TLS: https'


def _same(page: Page, text: str) -> Iterator[str]:
    """Compare what both parts say, sentence by sentence, and where both lead."""
    plain, shown = _spaced(text), _spaced(" ".join(page.blocks))
    for sentence in _sentences(page.blocks):
        if sentence not in plain:
            yield f'text: does not say "{sentence[:60]}", which the HTML says'
    for link in page.links:
        if link.href and link.href not in text:
            yield f'text: the address of "{_spaced(link.text)[:40]}" is missing'
    for sentence in _sentences(_URL.sub("\n", text).split("\n")):
        if sentence.rstrip(" :") not in shown:
            yield f'html: does not say "{sentence[:60]}", which the text says'


def _sentences(blocks: list[str]) -> Iterator[str]:
    for block in blocks:
        for sentence in _SENTENCE.split(_spaced(block)):
            if any(c.isalnum() for c in sentence):
                yield sentence


def _tone(written: Written, page: Page) -> Iterator[str]:
    if written.language != "fr":
        return
    # Addresses are no words: a path may hold "ta".
    said = _URL.sub(" ", " ".join([written.subject, written.text, *page.blocks]))
    tu, vous = _TU.search(said), _VOUS.search(said)
    if tu and vous:
        yield f'tone: mixes "{tu[0]}" and "{vous[0]}": one of both'


def _resolved(written: Written, page: Page) -> Iterator[str]:
    parts = {"subject": written.subject, "text": written.text, "html": " ".join(page.blocks)}
    hrefs = " ".join(link.href for link in page.links)
    for part, said in {**parts, "link": hrefs}.items():
        if found := _UNRESOLVED.search(said):
            yield f"{part}: {found[0]} is left over: a variable was not filled in"


def _spaced(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
