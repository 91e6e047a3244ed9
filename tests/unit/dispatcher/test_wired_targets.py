"""Mail and list targets: what is wrong with their settings is told at start, with the fix."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.dispatcher.playbook.plays import Play, Playbook
from services.dispatcher.targets.cross_check import check_plays
from services.dispatcher.targets.targets import Targets, open_targets
from services.dispatcher.targets.wired import read_shelf
from shared.errors import ConfigError
from shared.settings import Loaded, Secrets, load_yaml
from tests.builders.dispatching import play
from tests.builders.mail_server import SOURCES
from tests.builders.platforms import NOW, SHIPPED

MAIL = {
    "host": "smtp.example.com",
    "user": "nps",
    "password": "env:NPS_SECRET_SMTP",
    "from": "hello@shop.example",
    "brand": "Maison Exemple",
    "unsubscribe_url": "https://shop.example/stop/{{delivery_id}}",
}
MESSAGE = {"called_by": "name", "nps_comment": "note"}


async def opened(place: Path, **settings: Any) -> Targets:
    """Open a file with one target `one`; mail unless another preset is given."""
    templates = place / "templates"
    templates.mkdir(exist_ok=True)
    for name, text in SOURCES.items():
        (templates / name).write_text(text, "utf-8")
    target = {"preset": "smtp", "vars": MAIL, "message": MESSAGE, **settings}
    path = place / "targets.yaml"
    path.write_text(yaml.safe_dump({"targets": {"one": target}}), "utf-8")
    secrets = Secrets({"NPS_SECRET_SMTP": "made-up"})
    return await open_targets(path, secrets, clock=lambda: NOW)


def lists(place: Path, **changes: str) -> dict[str, str]:
    """Make the vars of a list target."""
    return {"folder": str(place), "file": "calls", **changes}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(
            {"attributes": {"nps_score": "score"}},
            "attributes: it keeps no profiles",
            id="profiles",
        ),
        pytest.param({"events": {"a": "b"}}, "events: it has none", id="events"),
        pytest.param(
            {"vars": {**MAIL, "security": "none"}},
            "vars.security: none needs allow_http",
            id="in the clear",
        ),
        pytest.param(
            {"vars": {**MAIL, "password": "plain"}},
            "vars.password: a secret is given by reference",
            id="a password in the file",
        ),
        pytest.param(
            {"vars": {**MAIL, "user": ""}}, "vars.user and vars.password go together", id="no user"
        ),
        pytest.param(
            {"vars": {**MAIL, "port": "99999"}}, "vars.port: a number from 1 to 65535", id="no port"
        ),
        pytest.param(
            {"vars": {**MAIL, "host": "a b"}}, "vars.host: does not look as it should", id="no host"
        ),
        pytest.param(
            {"vars": {**MAIL, "brand": "a\r\nBcc: b"}},
            "vars.brand: does not look as it should",
            id="a header more",
        ),
        pytest.param(
            {"vars": {**MAIL, "unsubscribe_url": "http://shop.example"}},
            "vars.unsubscribe_url: does not look",
            id="no TLS",
        ),
        pytest.param(
            {"vars": {**MAIL, "templates": "none"}}, "no templates (*.j2) there", id="no templates"
        ),
        pytest.param({"message": {"nps_opt_in": "opt_in"}}, "is consent or identity", id="consent"),
        pytest.param(
            {"preset": "csv", "vars": {"folder": "/nowhere/here", "file": "calls"}},
            "vars.folder: /nowhere/here is no folder that we may write to",
            id="no folder",
        ),
        pytest.param(
            {"preset": "csv", "vars": {"folder": "here", "file": "calls"}},
            "vars.folder: does not look",
            id="not absolute",
        ),
        pytest.param(
            {"preset": "csv", "vars": {"folder": "/tmp", "file": "../calls"}},
            "vars.file: does not look",
            id="another folder",
        ),
        pytest.param(
            {"preset": "csv", "vars": {"folder": "/tmp", "file": "calls", "zone": "Mars/Base"}},
            "vars.zone: no such time zone",
            id="no zone",
        ),
        pytest.param(
            {
                "preset": "csv",
                "vars": {"folder": "/tmp", "file": "calls"},
                "message": {"nps_score": "phone"},
            },
            "message: phone is a column of ours",
            id="a column twice",
        ),
        pytest.param({"preset": "other"}, "unknown preset other: one of ", id="no such preset"),
    ],
)
async def test_a_wrong_setting_is_told(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    """File, target, key, fix."""
    with pytest.raises(ConfigError) as refusal:
        await opened(tmp_path, **settings)
    assert told in str(refusal.value)
    assert "targets.one" in str(refusal.value)
    assert "made-up" not in str(refusal.value)


async def test_a_target_that_is_not_enabled_needs_neither_secret_nor_folder(tmp_path: Path) -> None:
    """The shipped examples are such."""
    nowhere = {"folder": "/nowhere/here", "file": "calls"}
    assert list(await opened(tmp_path, preset="csv", vars=nowhere, enabled=False)) == []


def playbook(**do: Any) -> Loaded[Playbook]:
    """Make a playbook of one play that mail can carry out, unless changed."""
    given = {
        "target": "one",
        "channels": ["email"],
        "variants": {"default": "HI"},
        "signed_by": {"name": "Zoé Martin"},
        **do,
    }
    content = {"plays": [play("one", "promoter", "discount", **given)]}
    text = yaml.safe_dump(content, sort_keys=False)
    return Loaded(Playbook.model_validate(content), "test", text, Path("playbook.yaml"))


@pytest.mark.parametrize(
    ("do", "told"),
    [
        pytest.param(
            {"variants": {"default": "HI", "price": "NO"}}, "no template NO", id="no template"
        ),
        pytest.param({"signed_by": None}, "template HI needs signed_by", id="nobody signs"),
        pytest.param({"class": "internal"}, "does not carry the class internal", id="an alert"),
        pytest.param({"channels": ["sms"]}, "does not serve sms", id="not mail"),
    ],
)
async def test_a_play_that_mail_cannot_carry_out_is_told_at_start(
    tmp_path: Path, do: dict[str, Any], told: str
) -> None:
    """Before the first customer."""
    targets = await opened(tmp_path)
    check_plays(playbook(), targets)
    with pytest.raises(ConfigError, match=told):
        check_plays(playbook(**do), targets)


async def test_what_nobody_could_stop_is_refused_at_start(tmp_path: Path) -> None:
    """Marketing without a way out is against the law; service may go."""
    targets = await opened(tmp_path, vars={**MAIL, "unsubscribe_url": ""})
    with pytest.raises(ConfigError, match=r"class marketing needs vars\.unsubscribe_url"):
        check_plays(playbook(**{"class": "marketing"}), targets)
    check_plays(playbook(**{"class": "service", "legal_basis": "contract"}), targets)


async def test_a_variable_may_come_from_the_play_or_be_asked_about_first(tmp_path: Path) -> None:
    """Only what nobody could ever give is a mistake."""
    targets = await opened(tmp_path, message={"called_by": "name"})
    with pytest.raises(ConfigError, match="template HI needs note"):
        check_plays(playbook(), targets)
    check_plays(playbook(context={"note": "All is well."}), targets)
    for file in (tmp_path / "templates").glob("HI.*"):
        guarded = file.read_text("utf-8").replace("{{ note }}", "{{ note | default('') }}")
        file.write_text(guarded, "utf-8")
    shelf = read_shelf(tmp_path / "templates")
    assert "note" not in shelf.needs("HI")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        pytest.param(
            "HI.de.txt.j2", "Hallo", "HI.de.html.j2: missing: add it", id="a part is missing"
        ),
        pytest.param(
            "HI.txt.j2", "Hello", "HI.txt.j2: name it <template>.<language>", id="no language"
        ),
        pytest.param("_a.html.j2", "x\n{% if %}", "_a.html.j2:2: ", id="not Jinja"),
        pytest.param(
            "_a.html.j2", "{% include '_b' %}", "includes _b, which is not there", id="no such part"
        ),
        pytest.param(
            "_a.html.j2",
            "{% include name %}",
            "includes what a value names",
            id="a part by a value",
        ),
    ],
)
def test_a_template_that_is_wrong_is_told_with_its_file(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    """At start, not at the first customer."""
    for file, content in {**SOURCES, name: text}.items():
        (tmp_path / file).write_text(content, "utf-8")
    with pytest.raises(ConfigError) as refusal:
        read_shelf(tmp_path)
    assert told in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


#: What the shipped plays need besides, once they go by mail: docs/targets/smtp.md.
CONTEXT = {
    "exit-question": "survey_url",
    "resurvey": "survey_url",
    "lapsed-invite": "survey_url",
    "ambassador-invite": "join_url",
    "loyalty-invite": "join_url",
    "panel-invite": "join_url",
    "review-invite": "review_url",
    "referral-invite": "referral_url",
    "privilege": "privilege_url",
}


def by_mail(plays: Sequence[Play], whole: Playbook, **context: str) -> Loaded[Playbook]:
    """Send plays to the mail target; `context` is what their templates are told besides."""
    changed = {"target": "one", "channels": ("email",), "context": context}
    moved = [one.model_copy(update={"do": one.do.model_copy(update=changed)}) for one in plays]
    pools, sites = whole.coupon_pools, whole.review_sites
    book = Playbook(plays=tuple(moved), coupon_pools=pools, review_sites=sites)
    return Loaded(book, "test", "plays: []", Path("playbook.yaml"))


async def test_all_shipped_plays_that_write_find_their_shipped_templates(tmp_path: Path) -> None:
    """In every theme, language and tone; and no template is shipped that no play names."""
    whole = load_yaml(SHIPPED.parent / "playbook.yaml", Playbook).value
    plays = [one for one in whole.plays if "email" in one.do.channels]
    folder = SHIPPED.parent / "templates"
    targets = await opened(tmp_path, vars={**MAIL, "templates": str(folder)})
    for one in plays:
        wanted = CONTEXT.get(one.name)
        told = {wanted: f"https://shop.example/{one.name}"} if wanted else {}
        check_plays(by_mail([one], whole, **told), targets)
    named = {t for one in plays for by in one.do.variants.values() for t in by.values()}
    assert {sheet.template for sheet in read_shelf(folder).sheets} == named


async def test_a_link_that_leads_nowhere_ends_the_start(tmp_path: Path) -> None:
    """Each shipped play that needs an address is told by name; none is sent with an empty link."""
    whole = load_yaml(SHIPPED.parent / "playbook.yaml", Playbook).value
    plays = [one for one in whole.plays if one.name in CONTEXT]
    folder = str(SHIPPED.parent / "templates")
    with pytest.raises(ConfigError) as refusal:
        check_plays(
            by_mail(plays, whole), await opened(tmp_path, vars={**MAIL, "templates": folder})
        )
    said = str(refusal.value)
    assert len(plays) == len(CONTEXT)
    for name, wanted in CONTEXT.items():
        assert re.search(f"play {name}: template \\w+ needs {wanted}: add to context", said), said
