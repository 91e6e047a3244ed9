"""What a reader sees of a message's HTML: its texts with their colours, links and pictures. Pure.

In: HTML. Out: a `Page`. Colours are read where mail needs them: in each element's own `style` (or
`bgcolor`), and inherited.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from services.dispatcher.platforms.smtp.colours import BLACK, WHITE, Colour, read_colour

_EMPTY: Final = frozenset({"br", "img", "meta", "hr", "link", "input", "col", "wbr", "area"})
_UNSEEN: Final = frozenset({"head", "title", "style", "script"})
#: Elements after which a sentence of the text before them has ended.
_BLOCKS: Final = frozenset(
    {"p", "div", "td", "th", "tr", "table", "li", "ul", "ol", "h1", "h2", "h3", "br", "hr", "body"}
)
_STYLE: Final = re.compile(r"\s*([a-z-]+)\s*:\s*([^;]+)")


@dataclass(frozen=True, slots=True)
class Seen:
    """A piece of text with its colours; `unread` names one that is not understood."""

    text: str
    colour: Colour
    ground: Colour


@dataclass(slots=True)
class Link:
    """A link, and the words (or the picture's) that stand for it."""

    href: str
    text: str = ""


@dataclass(slots=True)
class Page:
    """A message as its reader sees it."""

    lang: str = ""
    blocks: list[str] = field(default_factory=lambda: [""])
    seen: list[Seen] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    pictures_without_alt: list[str] = field(default_factory=list)
    unread_colours: list[str] = field(default_factory=list)
    #: Elements that mail programs drop, or whose colours nobody sees here.
    foreign: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    colour: Colour
    ground: Colour
    hidden: bool


def read_page(html: str) -> Page:
    """Read one message."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._open = [_Open("", BLACK, WHITE, hidden=False)]
        self._link: Link | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        outer = self._open[-1]
        style = dict(_STYLE.findall(given.get("style", "").lower()))
        if tag == "html":
            self.page.lang = given.get("lang", "")
        if tag in ("style", "script", "form", "iframe"):
            self.page.foreign.append(tag)
        if tag == "img":
            self._picture(given)
        if tag == "a":
            self._link = Link(given.get("href", ""))
            self.page.links.append(self._link)
        if tag in _BLOCKS:
            self.page.blocks.append("")
        ground = style.get("background-color") or style.get("background") or given.get("bgcolor")
        opened = _Open(
            tag,
            self._colour(style.get("color") or given.get("color"), outer.colour),
            self._colour(ground, outer.ground),
            hidden=outer.hidden or tag in _UNSEEN or style.get("display", "").strip() == "none",
        )
        if tag not in _EMPTY:
            self._open.append(opened)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        if tag in _BLOCKS:
            self.page.blocks.append("")
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        around = self._open[-1]
        if around.hidden:
            return
        self.page.blocks[-1] += data
        if self._link is not None:
            self._link.text += data
        if data.strip():
            self.page.seen.append(Seen(data.strip(), around.colour, around.ground))

    def _picture(self, given: dict[str, str]) -> None:
        if "alt" not in given:
            self.page.pictures_without_alt.append(given.get("src", "")[:80])
        elif self._link is not None:
            self._link.text += given["alt"]

    def _colour(self, said: str | None, inherited: Colour) -> Colour:
        if said is None or said.strip() in ("inherit", "transparent", "none"):
            return inherited
        colour = read_colour(said)
        if colour is None:
            self.page.unread_colours.append(said.strip()[:40])
        return colour or inherited
