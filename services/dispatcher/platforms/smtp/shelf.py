"""The templates of a folder: `<template>.<language>.{subject.txt,txt,html}.j2`. Pure.

In: the folder's files as texts. Out: a `Shelf` that finds a template's sheet in a language and
renders it, or `ConfigError` naming file, line and fix. What customers write is only ever a value:
Jinja2's sandbox runs the operator's text, and every value is escaped in HTML. A name that starts
with `_` is a part that others include.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import DictLoader, StrictUndefined, TemplateError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from shared.errors import ConfigError

_FILE: Final = re.compile(
    r"(?P<template>[A-Za-z0-9][A-Za-z0-9_-]*)\.(?P<language>[a-z]{2,3})"
    r"\.(?P<part>subject\.txt|txt|html)\.j2"
)
_PARTS: Final = ("subject.txt", "txt", "html")
#: What every template may use; `unsubscribe_url` only where a message must be stoppable.
GIVEN: Final = frozenset(
    {"brand", "lang", "subject", "delivery_id", "action", "variant", "unsubscribe_url"}
)
#: No message is written this long: a value that is, is a mistake or an attack.
_LONGEST: Final = 200_000
_UNNAMED: Final = re.compile(r"'([A-Za-z_][A-Za-z0-9_]*)'")


class Unwritable(Exception):
    """A message cannot be written for this person; the text says why, and nothing of her."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One template in one language."""

    template: str
    language: str

    def file(self, part: str) -> str:
        """Name the file of a part."""
        return f"{self.template}.{self.language}.{part}.j2"


@dataclass(frozen=True, slots=True)
class Written:
    """One message in words."""

    subject: str
    text: str
    html: str
    language: str


class Shelf:
    """All templates of one folder; `place` names the folder in what it tells."""

    def __init__(self, sources: Mapping[str, str], place: str = "templates") -> None:
        self._place = place
        self._environment = _environment(sources)
        self._sheets: dict[str, dict[str, Sheet]] = {}
        mistakes = [*self._put_up(sources), *self._wrong(sources)]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        self._needs = {
            sheet: frozenset().union(*(self._needed(sheet.file(part)) for part in _PARTS))
            for sheet in self.sheets
        }

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """Every template in every language, by name."""
        return tuple(
            self._sheets[name][lang] for name in self._sheets for lang in self._sheets[name]
        )

    def has(self, template: str) -> bool:
        """Tell whether a template is there in any language."""
        return template in self._sheets

    def needs(self, template: str) -> frozenset[str]:
        """Name the variables without which some sheet of a template cannot be written."""
        found = self._sheets.get(template, {}).values()
        return frozenset().union(*(self._needs[sheet] for sheet in found))

    def optional(self, sheet: Sheet) -> frozenset[str]:
        """Name the variables that a sheet asks about before it uses them."""
        names = (self._named(sheet.file(part)) for part in _PARTS)
        return frozenset().union(*names) - self._needs[sheet]

    def find(self, template: str, language: str | None) -> Sheet | None:
        """Find a template in her language, else in the only or the first one it has."""
        sheets = self._sheets.get(template, {})
        spoken = (language or "").lower().partition("-")[0]
        return sheets.get(spoken) or next(iter(sheets.values()), None)

    def write(self, sheet: Sheet, values: Mapping[str, Any]) -> Written:
        """Render the three parts. Raises `Unwritable` for a value that is missing or unfit."""
        said = {**values, "lang": sheet.language}
        subject = one_line(self._render(sheet, "subject.txt", said))
        said["subject"] = subject
        text = self._render(sheet, "txt", said)
        html = self._render(sheet, "html", said)
        return Written(
            subject, _plain(text).strip() + "\n", _plain(html).strip() + "\n", sheet.language
        )

    def _render(self, sheet: Sheet, part: str, values: Mapping[str, Any]) -> str:
        try:
            made = self._environment.get_template(sheet.file(part)).render(values)
        except UndefinedError as error:
            named = _UNNAMED.search(str(error))
            what = named[1] if named else "something"
            raise Unwritable(f"template {sheet.file(part)}: no value for {what}") from None
        except SecurityError:
            raise Unwritable(f"template {sheet.file(part)}: does what is not allowed") from None
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError) as error:
            # A value of another kind than the template thinks; its text may quote it.
            kind = type(error).__name__
            raise Unwritable(f"template {sheet.file(part)}: not writable: {kind}") from None
        if len(made) > _LONGEST:
            raise Unwritable(f"template {sheet.file(part)}: over {_LONGEST} characters")
        return made

    def _put_up(self, sources: Mapping[str, str]) -> Iterator[str]:
        """Sort the files by template and language; yields what is wrong with their names."""
        for name in sorted(sources):
            if name.startswith("_"):
                continue
            found = _FILE.fullmatch(name)
            if found is None:
                yield (
                    f"{self._place}/{name}: name it <template>.<language>.subject.txt.j2, "
                    "….txt.j2 or ….html.j2 (or _… for a part that others include)"
                )
                continue
            sheet = Sheet(found["template"], found["language"])
            self._sheets.setdefault(sheet.template, {})[sheet.language] = sheet
        for sheet in self.sheets:
            for part in _PARTS:
                if sheet.file(part) not in sources:
                    yield f"{self._place}/{sheet.file(part)}: missing: add it"

    def _wrong(self, sources: Mapping[str, str]) -> Iterator[str]:
        """Yield what a template's syntax, or a name that it includes, is wrong in."""
        for name in sorted(sources):
            try:
                tree = self._environment.parse(sources[name])
                self._environment.compile(tree, name)
            except TemplateError as error:
                line = getattr(error, "lineno", None) or 1
                yield f"{self._place}/{name}:{line}: {error.message}"
                continue
            for other in meta.find_referenced_templates(tree):
                if other is None:
                    yield f"{self._place}/{name}: includes what a value names: name it in quotes"
                elif other not in sources:
                    yield f"{self._place}/{name}: includes {other}, which is not there: add it"

    def _trees(self, name: str) -> Iterator[nodes.Template]:
        """Yield a file and all that it includes or extends, each once."""
        seen: set[str] = set()
        todo = [name]
        while todo:
            one = todo.pop()
            if one in seen:
                continue
            seen.add(one)
            loader = self._environment.loader
            source = loader.get_source(self._environment, one)[0] if loader else ""
            tree = self._environment.parse(source)
            yield tree
            todo += [other for other in meta.find_referenced_templates(tree) if other]

    def _named(self, file: str) -> frozenset[str]:
        trees = self._trees(file)
        return frozenset().union(*(meta.find_undeclared_variables(tree) for tree in trees))

    def _needed(self, file: str) -> frozenset[str]:
        """Name what a file uses without asking `is defined` or giving a default."""
        asked: set[str] = set()
        for tree in self._trees(file):
            for test in tree.find_all(nodes.Test):
                if test.name == "defined" and isinstance(test.node, nodes.Name):
                    asked.add(test.node.name)
            for given in tree.find_all(nodes.Filter):
                if given.name in ("default", "d") and isinstance(given.node, nodes.Name):
                    asked.add(given.node.name)
        return self._named(file) - asked


def _environment(sources: Mapping[str, str]) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=DictLoader(dict(sources)),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=-1,
    )


def one_line(text: str) -> str:
    """Write a text as what may stand in a header: no line break, no control character."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _plain(text: str) -> str:
    """Leave out what no text holds: control characters, halves of surrogate pairs."""
    kept = "".join(c for c in text if c in "\n\t" or c.isprintable() or c.isspace())
    return kept.replace("\r", "").replace("\x0b", "").replace("\x0c", "")
