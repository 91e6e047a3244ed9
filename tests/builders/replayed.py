"""The image without an engine: the Dockerfile's own steps done in folders, one per stage.

In: the Dockerfile, the context that `.dockerignore` lets through, an empty folder. Out: the last
stage's root, which nobody may write, and its commands as processes of the image's own account where
we are root. What is not as in a container: the interpreter and the pip are this machine's, and
absolute paths of the image stand below the stage's root.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.embedded.account import RunAs
from tests.builders.dockerfile import Stage, Step, context, read

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: The first folders of absolute paths in our image.
_ROOTS: Final = re.compile(r"(?<![\w.:])/(?=(?:opt|app|etc|build)(?:/|\b))")
_CHECK: Final = "import ssl, sqlite3, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"


@dataclass
class Image:
    """A stage while it is made, and the image once all are."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int = 0
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def inside(self, path: str) -> Path:
        """Give the real place of a path of the image."""
        return self.root / os.path.join(self.workdir, path).lstrip("/")

    @property
    def run_as(self) -> RunAs:
        """The account of the image, where we may change ours."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def spawn(
        self, *arguments: str, log: Path, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start its entry point with these arguments, as an orchestrator would."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self.entrypoint, *(arguments or self.command)],
                # Else the interpreter would be looked for on our PATH.
                executable=shutil.which(self.entrypoint[0], path=self.environ["PATH"]),
                cwd=self.inside("."),
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self.run_as,
            )

    def run(self, *arguments: str, log: Path, environ: Mapping[str, str]) -> tuple[int, str]:
        """Run its entry point to the end; give the exit code and all it said."""
        log.write_bytes(b"")
        code = self.spawn(*arguments, log=log, environ=environ).wait(120)
        return code, log.read_text(encoding="utf-8")


def interpreter(account: RunAs) -> str | None:
    """Find a Python that this account may start: root's own often stands in a private folder."""
    for found in (os.path.realpath(sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            subprocess.run(
                [found, "-I", "-c", _CHECK], check=True, capture_output=True, cwd="/", **account
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return found
    return None


def replay(repository: Path, folder: Path, python: str) -> Image:
    """Do all steps of `deploy/Dockerfile`; the last stage's root can then be read only."""
    made: dict[str, Image] = {}
    for number, stage in enumerate(read((repository / "deploy" / "Dockerfile").read_text())):
        image = _begin(stage, folder / str(number), made, python)
        for step in stage.steps:
            _do(step, image, made, repository)
        made[stage.name] = image
    subprocess.run(["chmod", "-R", "a-w", str(image.root)], check=True)
    return image


def _begin(stage: Stage, root: Path, made: Mapping[str, Image], python: str) -> Image:
    """Begin as another stage ended, or as the base image: with a Python and its pip."""
    root.mkdir()
    if stage.base in made:
        before = made[stage.base]
        shutil.copytree(before.root, root, dirs_exist_ok=True, symlinks=True)
        path = before.environ["PATH"].replace(str(before.root), str(root))
        return Image(root, {**before.environ, "PATH": path}, before.workdir, before.user)
    tools = root / "usr" / "local" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-m pip" ] && exec {sys.executable} "$@"\nexec {python} "$@"\n'
    )
    (tools / "python").chmod(0o755)
    return Image(root, {"PATH": f"{tools}:/usr/bin:/bin"})


def _do(step: Step, image: Image, made: Mapping[str, Image], repository: Path) -> None:
    """Do one step; what only describes (LABEL, EXPOSE, ARG) changes no file."""
    match step.word:
        case "ENV":
            for name, value in step.pairs.items():
                full = _ROOTS.sub(f"{image.root}/", value)
                image.environ[name] = full.replace("$PATH", image.environ["PATH"])
        case "WORKDIR":
            image.workdir = step.text
            image.inside(".").mkdir(parents=True, exist_ok=True)
        case "COPY":
            _copy(step, image, made, repository)
        case "RUN":
            # The image's layers keep no cache; here it is what saves the downloads.
            environ = {**image.environ, "HOME": os.environ.get("HOME", "/")}
            environ |= {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_"))}
            environ.pop("PIP_NO_CACHE_DIR", None)
            command = _ROOTS.sub(f"{image.root}/", step.text)
            subprocess.run(
                ["/bin/sh", "-ec", command], cwd=image.inside("."), env=environ, check=True
            )
        case "USER":
            image.user = int(step.text.partition(":")[0])
        case "ENTRYPOINT":
            image.entrypoint = step.words
        case "CMD":
            image.command = step.words


def _copy(step: Step, image: Image, made: Mapping[str, Image], repository: Path) -> None:
    """Copy from the context or another stage; never what `.dockerignore` keeps out."""
    stage, sources, target = step.copied
    for source in sources:
        if stage:
            place = made[stage].inside(source)
        elif source in context(repository):
            place = repository / source
        else:
            raise ValueError(f"COPY {source}: .dockerignore keeps it out")
        into = image.inside(target)
        into.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            left_out = None if stage else shutil.ignore_patterns("__pycache__")
            shutil.copytree(place, into, symlinks=True, dirs_exist_ok=True, ignore=left_out)
        else:
            shutil.copy2(place, into)
