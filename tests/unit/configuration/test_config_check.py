"""`nps config check` as an operator runs it: the shipped folder, then others with slips in them."""

from pathlib import Path
from shutil import copytree
from typing import Any, Final, NamedTuple

import orjson
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.dispatcher.ledger.attributes import CANONICAL, attributes_of
from tests.builders.decisions import decision

SHIPPED: Final = Path(__file__).parents[3] / "deploy" / "config"
SECRETS: Final = {
    "NPS_SANDBOX_URL": "http://127.0.0.1:8080/sandbox",
    "NPS_SECRET_TYPEFORM_NPS": "made-up",
    "NPS_SECRET_FORMBRICKS_NPS": "whsec_bWFkZS11cCBzZWNyZXQgbnVtYmVyIG9uZSwgMzJiLg==",
    "NPS_SECRET_SHOP": "made-up",
    "NPS_TOKEN_OPERATOR": "made-up",
    "NPS_ROUTE_SECRET": "made-up",
}


class Checked(NamedTuple):
    """What the command said."""

    code: int
    out: str
    folder: Path


def check(folder: Path, *more: str, environ: dict[str, str] | None = None) -> Checked:
    """Run it on a folder, with its secrets unless they are given."""
    unset: dict[str, str | None] = dict.fromkeys(SECRETS)
    env = unset | (SECRETS if environ is None else environ)
    arguments = ["config", "check", "--config", str(folder), "--data", str(folder), *more]
    result = CliRunner().invoke(app, arguments, env=env)
    return Checked(result.exit_code, result.stdout + result.stderr, folder)


def changed(folder: Path, slips: dict[str, list[tuple[str, str]]], templates: str = "no*") -> Path:
    """Copy the shipped folder and make slips in it, by file."""
    folder.mkdir()
    for file in SHIPPED.glob("*.yaml"):
        text = file.read_text("utf-8")
        for before, after in slips.get(file.name, []):
            assert before in text, before
            text = text.replace(before, after, 1)
        (folder / file.name).write_text(text, "utf-8")
    copytree(
        SHIPPED / "templates",
        folder / "templates",
        ignore=lambda _, names: [n for n in names if not Path(n).match(templates)],
    )
    if not list((folder / "templates").iterdir()):
        (folder / "templates").rmdir()
    return folder


def test_the_shipped_folder_is_right() -> None:
    """Every file is ok; what is not set on this machine is a warning, and no colour in a file."""
    right = check(SHIPPED)
    assert right.code == 0, right.out
    assert f"{SHIPPED / 'playbook.yaml'}: ok" in right.out
    assert "\x1b" not in right.out
    assert "mis" not in right.out.replace("promis", "")

    unset = check(SHIPPED, "--json", "--strict", environ={})
    found: dict[str, Any] = orjson.loads(unset.out)
    assert unset.code == 1
    assert found["counts"]["mistakes"] == found["counts"]["misfits"] == 0
    assert all(one["ok"] for one in found["files"])
    whats = [one["what"] for one in found["told"] if one["level"] == "warning"]
    assert all(any(name in what for what in whats) for name in SECRETS), whats


WEBHOOK = """
  hook:
    preset: webhook
    vars: {url: "http://hooks.example.com/nps", secret: env:NPS_SECRET_SHOP}
    attributes: {nps_score: opt_out}
  mail:
    preset: smtp
    vars: {host: mail.shop.example, from: hi@shop.example, brand: Shop, templates: nowhere}
  crm:
    preset: hubspot
    vars: {access_token: in-the-clear, colour: red}
"""
MISTAKES: Final = {
    "sources.yaml": [
        ("preset: typeform\n", "preset: typefrom\n"),
        ("secrets: [env:NPS_SECRET_SHOP]", "secrets: []"),
    ],
    "policy.yaml": [("limit: 1", "limit: 0"), ("after_contact_days: 7", "after_contact_days: -7")],
    "playbook.yaml": [
        ("google: {audience: everyone,", "google: {audience: promoters,"),
        ("trigger: received, segment: [detractor]}", "trigger: recieved, segment: [detractor]}"),
        ('{opens: "08:00", closes: "20:00"}', '{opens: "20:00", closes: "08:00"}'),
    ],
    "targets.yaml": [("targets:\n  # The", f"targets:{WEBHOOK}  # The")],
    "access.yaml": [
        ("operate, erase]", "operate, eraze]"),
        ("token: env:NPS_TOKEN_OPERATOR", "token: in-the-clear"),
    ],
}


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A folder in which every file has mistakes that a start refuses."""
    folder = changed(tmp_path_factory.mktemp("one") / "config", MISTAKES, "DISCOUNT_EN*.txt.j2")
    page = folder / "templates" / "DISCOUNT_EN.en.html.j2"
    page.write_text("<p>{{ name </p>", "utf-8")
    return check(folder)


@pytest.mark.parametrize(
    ("file", "key", "fix"),
    [
        ("sources.yaml", "sources.typeform-nps.preset", "unknown preset: choose one of"),
        ("sources.yaml", "sources.shop.secrets", ""),
        ("policy.yaml", "budgets.0.limit", "limit must be 1 or more"),
        ("policy.yaml", "clocks.after_contact_days", ""),
        ("playbook.yaml", "review_sites.google", "this site forbids asking only the satisfied"),
        ("playbook.yaml", "plays.0.when.trigger", ""),
        ("playbook.yaml", "calendars.0.open.0", "opens must be before closes"),
        ("targets.yaml", "targets.hook.attributes.nps_score", "opt_out is consent or identity"),
        ("targets.yaml", "targets.mail", "no templates (*.j2) there: correct vars.templates"),
        ("targets.yaml", "targets.crm.vars", "unknown colour: remove it"),
        ("access.yaml", "tokens.0.scopes", ""),
        ("access.yaml", "tokens.0.token", "a secret is given by reference: env:NAME, or file:"),
        ("templates/DISCOUNT_EN.en.html.j2", "", ""),
    ],
)
def test_a_mistake_is_told_with_file_line_and_fix(
    mistaken: Checked, file: str, key: str, fix: str
) -> None:
    """One run tells those of all files."""
    start = f"mistake {mistaken.folder / file}:"
    said = [line for line in mistaken.out.splitlines() if line.startswith(start)]
    assert [line for line in said if key in line and fix in line], mistaken.out
    assert all(line.removeprefix(start).partition(":")[0].isdigit() for line in said)
    assert mistaken.code == 2


LOOSE: Final = """
  loose:
    preset: brevo
    vars: {api_key: env:NPS_SECRET_SHOP}
    windows: [{per_s: 1, most: 1000}]
    attributes: {nps_scoer: NPS_SCORE, attributes.shoe_size: SHOE_SIZE}
"""
MISFITS: Final = {
    "sources.yaml": [
        ("surveys: []", "surveys: [relational, claims]"),
        ("  formbricks-nps:\n", "  formbricks-nps:\n    surveys: [relational]\n"),
        ("  shop:\n", "  shop:\n    surveys: [after-order]\n"),
    ],
    "policy.yaml": [
        ('- name: relational\n      surveys: ["*"]', "- name: relational\n      surveys: [rel*]"),
        ("    survey: null\n    source: null", "    survey: quarterly\n    source: tyepform"),
        ("    by: null", "    by: attribute:shoe_size"),
        ("    tell: false", "    tell: true"),
        ("\ndigests: []\n", "\ndigests: [{name: stores, owner: stoer, source: nobody}]\n"),
    ],
    "playbook.yaml": [
        ("\ndigests: {}\n", "\ndigests: {shops: {to: {}}}\n"),
        ("\nfigure_alerts: {}\n", "\nfigure_alerts: {weakly: {to: {}}}\n"),
        ("escalations: [legal, safety,", "escalations: [legal, saftey,"),
        ("segment: [detractor]}", "segment: [detractor], theme: [prise], survey: [clames]}"),
        ("attributes_from: {mrr: 500}", "attributes_from: {mmr: 500}"),
        ("channels: [ticket, chat]", "channels: [sms, chat]"),
        (
            'valid_from: "2026-01-01"\n    source: France',
            'valid_from: "2025-01-01"\n    valid_until: "2025-12-31"\n    source: France',
        ),
    ],
    "targets.yaml": [("targets:\n  # The", f"targets:{LOOSE}  # The")],
}


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A folder whose files are right one by one, and speak of names that the others lack."""
    return check(changed(tmp_path_factory.mktemp("two") / "config", MISFITS))


@pytest.mark.parametrize(
    ("level", "file", "told"),
    [
        ("warning", "sources.yaml", "typeform-nps.survey: survey 'claims' is of no family"),
        ("misfit", "policy.yaml", "alerts.0.survey: 'quarterly' is no survey of sources.yaml: one"),
        (
            "misfit",
            "policy.yaml",
            "alerts.0.source: 'tyepform' is no source: one of formbricks-nps",
        ),
        ("warning", "policy.yaml", "alerts.0.by: no source maps an attribute 'shoe_size'"),
        ("misfit", "policy.yaml", "digests.0.source: 'nobody' is no source: one of formbricks-nps"),
        ("warning", "policy.yaml", "digests.0.owner: no source maps an attribute 'stoer'"),
        ("misfit", "policy.yaml", "digests.0.name: digest stores is left nowhere: add it to"),
        ("misfit", "playbook.yaml", "digests.shops: 'shops' is no digest of policy.yaml: one of"),
        ("misfit", "policy.yaml", "alerts.0.tell: alert weekly is told nobody: add it to"),
        (
            "misfit",
            "playbook.yaml",
            "figure_alerts.weakly: 'weakly' is no alert of policy.yaml with tell: true: one of",
        ),
        ("misfit", "playbook.yaml", "plays.0.when.theme: 'prise' is no theme of policy.yaml: one"),
        ("misfit", "playbook.yaml", "plays.0.when.survey: 'clames' is no survey of sources.yaml"),
        ("misfit", "playbook.yaml", "when.escalations: 'saftey' is no escalation of policy.yaml"),
        ("warning", "playbook.yaml", "attributes_from.mmr: no source maps an attribute 'mmr'"),
        ("warning", "playbook.yaml", "do.channels: play escalation-alert: permits of policy.yaml"),
        ("misfit", "playbook.yaml", "calendars.1.valid_until: calendar fr-sms ended on 2025-12-31"),
        ("misfit", "targets.yaml", "attributes.nps_scoer: 'nps_scoer' is no attribute: one of"),
        ("warning", "targets.yaml", "attributes.attributes.shoe_size: no source maps"),
        ("warning", "targets.yaml", "windows.0: 1000 in 1 s where the platform is known to grant"),
    ],
)
def test_what_does_not_fit_together_is_told(
    loose: Checked, level: str, file: str, told: str
) -> None:
    """No service alone can see it: every file is right by itself."""
    start = f"{level} {loose.folder / file}:"
    said = [line for line in loose.out.splitlines() if line.startswith(start)]
    assert [line for line in said if told in line], loose.out
    assert loose.code == 1


def test_a_play_that_its_target_cannot_carry_is_a_mistake(tmp_path: Path) -> None:
    """A target that is not there, a class that it does not carry, a template that it lacks."""
    targets = """
  mail:
    preset: smtp
    vars: {host: mail.shop.example, from: hi@shop.example, brand: Shop, templates: templates}
"""
    play = """
  - {name: gone, when: {trigger: received}, do: {action: a, channels: [email], target: nowhere,
     class: internal, variants: {default: X}}}
  - {name: unwritten, when: {trigger: received}, do: {action: a, channels: [email], target: mail,
     class: asked_for, variants: {default: X}}}
  - {name: unfit, when: {trigger: received}, do: {action: a, channels: [chat], target: mail,
     class: internal, variants: {default: X}}}
"""
    folder = changed(
        tmp_path / "config",
        {
            "targets.yaml": [("targets:\n  # The", f"targets:{targets}  # The")],
            "playbook.yaml": [("\nplays:\n", f"\nplays:{play}")],
        },
        "*",
    )
    found = check(folder)
    assert found.code == 2
    for said in (
        "do.target: play gone: 'nowhere' is no enabled target of targets.yaml",
        "do.variants: play unwritten: no template X: write it, or map it",
        "do.channels: play unfit: 'mail' does not serve chat",
    ):
        assert said in found.out, found.out


def test_a_mistake_of_the_whole_playbook_has_its_line(tmp_path: Path) -> None:
    """Of two with one name it is the second's."""
    slips = {"playbook.yaml": [("- name: fr-sms", "- name: night")]}
    found = check(changed(tmp_path / "config", slips))
    text = (found.folder / "playbook.yaml").read_text("utf-8")
    line = text[: text.rindex("- name: night")].count("\n") + 1
    place = f"mistake {found.folder / 'playbook.yaml'}:{line}: calendars.1.name: two calendars are"
    assert place in found.out, found.out


def test_a_folder_that_is_not_there_is_told_file_by_file(tmp_path: Path) -> None:
    """As a start tells it."""
    found = check(tmp_path / "nowhere", "--json")
    told = orjson.loads(found.out)["told"]
    assert found.code == 2
    assert {Path(one["file"]).name for one in told if one["level"] == "mistake"} == {
        *("sources.yaml", "policy.yaml", "playbook.yaml", "targets.yaml", "access.yaml")
    }


def test_a_setting_of_the_process_is_told_alike(tmp_path: Path) -> None:
    """It stands in no file."""
    found = check(tmp_path, "--json", environ={"NPS_DEFAULT_REGION": "ZZ"})
    (told,) = orjson.loads(found.out)["told"]
    assert (found.code, told["file"], told["line"]) == (2, "environment", None)
    assert told["what"].startswith("NPS_DEFAULT_REGION: must be")


def test_every_canonical_attribute_is_listed() -> None:
    """What a decision gives and what a target may name are one list."""
    assert {name for name in attributes_of(decision(), {}) if "." not in name} == CANONICAL
