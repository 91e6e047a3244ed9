"""Messages as their readers see them: every rule on a message that breaks just it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.dispatcher.cli.template import mistakes
from services.dispatcher.platforms.smtp.colours import contrast, read_colour
from services.dispatcher.platforms.smtp.lint import lint
from services.dispatcher.platforms.smtp.shelf import Written
from services.dispatcher.targets.wired import read_shelf
from tests.builders.platforms import SHIPPED

TEMPLATES = SHIPPED.parent / "templates"
SHELF = read_shelf(TEMPLATES)
GOOD = Written(
    subject="Merci pour votre avis",
    text="Bonjour,\n\nMerci ! Lisez la suite.\n\nVoir ma commande : https://shop.example/c\n\nZoé\n",
    html=(
        '<!doctype html><html lang="fr"><head><title>x</title></head><body><p>Bonjour,</p>'
        "<p>Merci ! Lisez la suite.</p>"
        '<p><a href="https://shop.example/c" style="color:#ffffff;background-color:#1f5f4a">'
        'Voir ma commande</a><img src="x.png" alt=""></p><p>Zoé</p></body></html>'
    ),
    language="fr",
)


def html(old: str, new: str) -> Written:
    """Change the HTML of the good message."""
    assert old in GOOD.html
    return replace(GOOD, html=GOOD.html.replace(old, new))


def text(old: str, new: str) -> Written:
    """Change the text of the good message."""
    assert old in GOOD.text
    return replace(GOOD, text=GOOD.text.replace(old, new))


def test_a_good_message_has_no_mistake() -> None:
    """Else every table below would be about something else."""
    assert lint(GOOD) == ()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        pytest.param(replace(GOOD, subject=""), "subject: empty", id="no subject"),
        pytest.param(
            replace(GOOD, subject="x" * 61), "subject: 61 characters: at most 60", id="long subject"
        ),
        pytest.param(
            html(' lang="fr"', ""),
            'html: lang="fr" is missing from <html>: screen readers need it',
            id="no language",
        ),
        pytest.param(
            html(' lang="fr"', ' lang="en"'),
            'html: lang="fr" is missing from <html>: screen readers need it',
            id="another language",
        ),
        pytest.param(
            html(' alt=""', ""),
            'html: a picture has no alt text (x.png): alt="" if it only decorates',
            id="no alt",
        ),
        pytest.param(
            html("#1f5f4a", "#80c0a0"),
            'html: contrast 2.1 of "Voir ma commande": at least 4.5',
            id="white on light green",
        ),
        pytest.param(
            html("<p>Zoé", '<p style="color:#999">Zoé'),
            'html: contrast 2.8 of "Zoé": at least 4.5',
            id="grey on white",
        ),
        pytest.param(
            html("<body>", '<body bgcolor="#333333">'),
            'html: contrast 1.7 of "Bonjour,": at least 4.5',
            id="an inherited ground",
        ),
        pytest.param(
            html("#1f5f4a", "var(--brand)"),
            "html: colour var(--brand) is not understood: write it as #rrggbb",
            id="a colour nobody can measure",
        ),
        pytest.param(
            html("<title>x</title>", "<style>p{color:#eee}</style>"),
            "html: <style>: mail programs drop it, write styles in each element",
            id="a style that is dropped",
        ),
        pytest.param(
            html("Voir ma commande", "Cliquez ici"),
            'html: the link "Cliquez ici" does not say where it leads',
            id="click here",
        ),
        pytest.param(
            html("Voir ma commande", "https://shop.example/c"),
            'html: the link "https://shop.example/c" does not say where it leads',
            id="a bare address",
        ),
        pytest.param(html("Voir ma commande", ""), "html: a link has no text", id="no link text"),
        pytest.param(
            html('href="https://shop.example/c"', 'href=""'),
            'html: the link "Voir ma commande" leads nowhere: an absolute https URL',
            id="no address",
        ),
        pytest.param(
            text("Lisez la suite.", ""),
            'text: does not say "Lisez la suite.", which the HTML says',
            id="a sentence only in the HTML",
        ),
        pytest.param(
            html("Lisez la suite.", ""),
            'html: does not say "Lisez la suite.", which the text says',
            id="a sentence only in the text",
        ),
        pytest.param(
            text("https://shop.example/c", ""),
            'text: the address of "Voir ma commande" is missing',
            id="an address only in the HTML",
        ),
        pytest.param(
            replace(GOOD, subject="Merci pour ton avis", text=GOOD.text.replace("Lisez", "Vous")),
            'tone: mixes "ton" and "Vous": one of both',
            id="tu and vous",
        ),
        pytest.param(
            replace(GOOD, subject="Merci {{ name }}"),
            "subject: {{ is left over: a variable was not filled in",
            id="left over",
        ),
        pytest.param(
            html("https://shop.example/c", "https://shop.example/None"),
            "link: None is left over: a variable was not filled in",
            id="a link to nothing",
        ),
    ],
)
def test_every_mistake_is_told(written: Written, told: str) -> None:
    """In words that say what to do."""
    assert told in lint(written)


def test_a_link_may_be_a_picture_that_says_where_it_leads() -> None:
    """Its alt text is the link's."""
    picture = '<img src="c.png" alt="Voir ma commande">'
    assert lint(html("Voir ma commande</a>", f"{picture}</a>Voir ma commande")) == ()


def test_what_is_hidden_is_not_read() -> None:
    """A preview line in the colour of the page is not for reading."""
    hidden = '<div style="display:none;color:#ffffff">Un aperçu</div><p>Zoé'
    assert lint(html("<p>Zoé", hidden)) == ()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("#000", "#FFFFFF", 21.0, id="most"),
        pytest.param("#777777", "white", 4.48, id="just not enough"),
        pytest.param("rgb(118, 118, 118)", "#fff", 4.54, id="just enough"),
        pytest.param("red", "red", 1.0, id="none"),
    ],
)
def test_contrast_is_measured_as_wcag_says(one: str, other: str, expected: float) -> None:
    """Known values of its own examples, in either order."""
    first, second = read_colour(one), read_colour(other)
    assert first is not None
    assert second is not None
    assert contrast(first, second) == pytest.approx(expected, abs=0.01)
    assert contrast(second, first) == contrast(first, second)


@pytest.mark.parametrize("text", ["", "#12345", "rgb(300,0,0)", "hsl(1,2%,3%)", "currentcolor"])
def test_what_is_no_plain_colour_is_not_guessed(text: str) -> None:
    """It is told instead."""
    assert read_colour(text) is None


@pytest.mark.parametrize("sheet", SHELF.sheets, ids=lambda s: f"{s.template}.{s.language}")
def test_the_shipped_templates_have_no_mistake(sheet: object) -> None:
    """With all that they may be told, and with the least."""
    found = next(one for one in SHELF.sheets if one == sheet)
    assert list(mistakes(SHELF, found)) == []


def test_the_command_tells_what_it_found(tmp_path: Path) -> None:
    """None in ours; one in a template that somebody has broken."""
    good = CliRunner().invoke(app, ["template", "lint", str(TEMPLATES), "--json"])
    assert good.exit_code == 0, good.output
    for file in TEMPLATES.glob("[_T]*"):
        (tmp_path / file.name).write_text(file.read_text("utf-8"), "utf-8")
    (tmp_path / "THANKS_EN.en.subject.txt.j2").write_text("Thanks {{ '{{' }}", "utf-8")
    bad = CliRunner().invoke(app, ["template", "lint", str(tmp_path)])
    assert bad.exit_code == 1
    assert "THANKS_EN.en: subject: {{ is left over" in bad.output
    none = CliRunner().invoke(app, ["template", "lint", str(tmp_path / "none"), "--json"])
    assert none.exit_code == 2
    assert "no templates" in none.output
