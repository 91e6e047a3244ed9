"""The address of a call to a platform's API, written with {names}. Pure.

In: the text of a template, then a text for each name. Out: a URL; or ValueError whose text holds
nothing of the values. What is filled in is percent-encoded and stays within its segment of the
path, so that no id of a message leads the call anywhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

_NAME: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled address. `host` is where every URL it makes leads, `origin` with scheme and port.

    `secure` tells https from http.
    """

    text: str
    names: frozenset[str]
    origin: str
    host: str
    secure: bool

    def fill(self, values: Mapping[str, str]) -> str:
        """Write the URL. Raises ValueError naming what is missing or cannot stand in a URL."""
        url = _NAME.sub(lambda match: _encoded(match[1], values), self.text)
        if any(part in (".", "..") for part in urlsplit(url).path.split("/")):
            raise ValueError("an id that is only dots cannot stand in an address")
        return url


def compile_template(text: str) -> Template:
    """Read a template. Raises ValueError saying what is wrong."""
    if re.search(r"[^\x21-\x7e]", text):
        raise ValueError("write it without spaces, and other characters percent-encoded")
    scheme, _, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme not in ("https", "http") or not authority:
        raise ValueError("must begin with https:// and a host")
    if re.search(r"[{}@]", authority):
        raise ValueError("the host stands as it is: no {name} and no password in it")
    bare = _NAME.sub("x", text)
    if "{" in bare or "}" in bare:
        raise ValueError("a brace that is not around a {name} in small letters")
    if "#" in text:
        raise ValueError("remove the part after #: it is never sent")
    try:
        parts = urlsplit(bare)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not an address: write https://host/path") from None
    return Template(
        text=text,
        names=frozenset(_NAME.findall(text)),
        origin=origin_of(scheme, host, port),
        host=host,
        secure=scheme == "https",
    )


def origin_of(scheme: str, host: str, port: int | None) -> str:
    """Write where a URL leads: scheme, host and port, the usual port as well."""
    return f"{scheme}://{host.lower()}:{port or (443 if scheme == 'https' else 80)}"


def _encoded(name: str, values: Mapping[str, str]) -> str:
    value = values.get(name, "")
    if not value:
        raise ValueError(f"the message did not say {{{name}}}")
    if _UNSAFE.search(value):
        raise ValueError(f"{{{name}}} holds a character that cannot stand in an address")
    return quote(value, safe="")
