"""How well a text can be read on its ground, as WCAG 2 measures it. Pure.

In: two colours as a style writes them. Out: the contrast, 1 to 21; None for no plain colour.
"""

import re
from typing import Final

Colour = tuple[int, int, int]

BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)
#: What WCAG 2.1 asks of text (1.4.3, level AA).
ENOUGH: Final = 4.5
_NAMES: Final[dict[str, Colour]] = {
    "black": BLACK,
    "white": WHITE,
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
}
_HEX: Final = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB: Final = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")


def read_colour(text: str) -> Colour | None:
    """Read `#rgb`, `#rrggbb`, `rgb(…)` or one of the plain names."""
    said = text.strip().lower()
    if said in _NAMES:
        return _NAMES[said]
    if found := _HEX.fullmatch(said):
        digits = found[1] if len(found[1]) == 6 else "".join(c * 2 for c in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if (found := _RGB.fullmatch(said)) and all(int(part) < 256 for part in found.groups()):
        return int(found[1]), int(found[2]), int(found[3])
    return None


def contrast(one: Colour, other: Colour) -> float:
    """Measure the contrast of two colours, in either order."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    # The factors of sRGB.
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
