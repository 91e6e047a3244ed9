"""The chart's README and NOTES: what they tell people to type."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from services.ingest.settings import SourcesFile
from shared.http.auth import AccessConfig
from shared.settings import read_yaml
from tests.builders.charts import CHART, OLDEST, PROFILES, ROOT, Helm

README = (CHART / "README.md").read_text(encoding="utf-8")


def commands(program: str) -> list[list[str]]:
    """Read the commands of one program out of the README's blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith(f"{program} ")]


def test_the_commands_of_the_readme_render(helm: Helm, tmp_path: Path) -> None:
    """Install and upgrade as they are written, with the five shipped files as one's own."""
    shutil.copytree(ROOT / "deploy" / "config", tmp_path / "my-config")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    words = [word for command in commands("helm") if command[1] == "install" for word in command]
    asked = [
        word.replace("my-config", str(tmp_path / "my-config")).replace("deploy/", f"{ROOT}/deploy/")
        for word in words[2:]
    ]
    rendered = helm.run("template", *asked, "--kube-version", OLDEST)

    assert rendered.returncode == 0, rendered.stderr
    (config,) = [d for d in yaml.safe_load_all(rendered.stdout) if d and d["kind"] == "ConfigMap"]
    assert config["data"]["policy.yaml"] == (ROOT / "deploy/config/policy.yaml").read_text("utf-8")
    assert [command[1] for command in commands("helm")] == ["install", "upgrade"]


def test_the_secrets_of_the_readme_are_those_of_its_profile(helm: Helm) -> None:
    """Whoever follows it finds nothing missing."""
    made = {"nps-database-ingest", "nps-database-segmenter", "nps-database-dispatcher"} | {
        command[command.index("generic") + 1]
        for command in commands("kubectl")
        if "generic" in command
    }
    wanted = set(
        re.findall(r"(?:name|secretName): (nps[a-z-]*)$", helm.text("small"), re.MULTILINE)
    )

    assert {name for name in wanted if "nps-connector" not in name} - made == {
        "nps-shop-example-tls"
    }


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        pytest.param("small", "https://nps.shop.example/v1/webhooks/<source>", id="ingress"),
        pytest.param("large", "https://nps.shop.example/v1/webhooks/<source>", id="gateway"),
        pytest.param("large", "pods start anew until the jobs", id="first-install"),
        pytest.param("small", "config.files has no targets.yaml", id="the-image's-targets"),
    ],
)
def test_the_notes_say_what_comes_next(
    helm: Helm, tmp_path: Path, profile: str, words: str
) -> None:
    """Addresses, and what is not as it should stay. (Rendered as a resource, to be seen.)"""
    chart = shutil.copytree(CHART, tmp_path / "nps-connector")
    shutil.copy(chart / "templates" / "NOTES.txt", chart / "notes.txt")
    (chart / "templates" / "seen.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\n"
        'data: {notes: {{ tpl (.Files.Get "notes.txt") . | toJson }}}\n'
    )
    notes = next(
        document["data"]["notes"]
        for document in yaml.safe_load_all(helm.text(profile, chart=chart))
        if document and document["metadata"]["name"] == "seen"
    )

    assert words in " ".join(notes.split())


def test_files_in_the_profiles_are_real_ones() -> None:
    """An example that does not load teaches nonsense."""
    found = {
        (profile, name)
        for profile in PROFILES
        for name, text in (
            yaml.safe_load((CHART / "ci" / f"{profile}-values.yaml").read_text("utf-8"))
            .get("config", {})
            .get("files", {})
            .items()
        )
        if _loads(name, text)
    }

    assert found == {("standard", "access.yaml"), ("standard", "sources.yaml")}


def _loads(name: str, text: str) -> bool:
    if name == "access.yaml":
        read_yaml(text, Path(name), AccessConfig)
    elif name == "sources.yaml":
        read_yaml(text, Path(name), SourcesFile)
    else:
        return False
    return True
