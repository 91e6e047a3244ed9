"""Say what is in the image: a CycloneDX bill of materials, and whether its licences are welcome.

In: `deploy/requirements.lock`, installed by its hashes into an environment of its own. Out: the
file named on the command line, the same to the byte wherever it is made (no time, no machine's
name, no path); exit code 1 and a line for each component whose licence nobody has allowed.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from deploy.tools.environments import environment

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: All let everybody use, change and pass on the whole. MPL-2.0 asks for the source of its own files
#: where they were changed: we change none. A copyleft that reaches our code is a decision to take.
ALLOWED: Final = {
    *("MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0"),
    *("PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
}
#: What older packages declare in place of an SPDX name.
CLASSIFIERS: Final = {
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: BSD License",
    "License :: OSI Approved :: MIT License",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
}
#: Whose declaration is in words of its own, which the generator leaves out: those words, and what
#: they mean.
IN_WORDS: Final = {"protobuf": ("3-Clause BSD License", "BSD-3-Clause")}


def describe(python: Path, generator: Path, *, validated: bool = True) -> str:
    """Write the bill of materials of what an interpreter's environment holds, as JSON.

    `validated` against CycloneDX's own schema, which takes most of the time.
    """
    return subprocess.run(
        [
            *(str(generator), "environment", "--pyproject", str(ROOT / "pyproject.toml")),
            *("--output-reproducible", "--spec-version", "1.6", "--output-format", "JSON"),
            *("--validate" if validated else "--no-validate", "--output-file", "-", str(python)),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def unwelcome(bill: dict[str, Any]) -> list[str]:
    """Name each component with a licence that is not allowed, or with none."""
    found = {
        f"{c['name']} {c['version']}": list(_licences(c)) or list(IN_WORDS.get(c["name"], ())[1:])
        for c in bill["components"]
    }
    return [
        f"{component}: {', '.join(told) or 'no licence declared'}"
        for component, told in found.items()
        if not told or not set(told) <= ALLOWED | CLASSIFIERS
    ]


def _licences(component: dict[str, Any]) -> Iterator[str]:
    """Give each licence of a component; of a choice (`OR`) all, so that none surprises."""
    for choice in component.get("licenses", ()):
        licence = choice.get("license", {})
        if expression := choice.get("expression"):
            yield from set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
        else:
            yield licence.get("id") or licence["name"]


def main(out: Path) -> int:
    """Make the environments it needs, write the file, judge the licences."""
    image = environment(ROOT / "deploy" / "requirements.lock", ROOT / ".tools")
    tools = environment(ROOT / "deploy" / "tools" / "sbom.lock", ROOT / ".tools")
    text = describe(image / "bin" / "python", tools / "bin" / "cyclonedx-py")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    bill = json.loads(text)
    problems = unwelcome(bill)
    print("\n".join([f"{out}: {len(bill['components'])} components", *problems]))  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
