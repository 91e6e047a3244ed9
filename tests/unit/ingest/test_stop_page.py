"""The page behind a link to unsubscribe: everybody can read it, and it asks for nothing."""

import re
from typing import get_args

import pytest

from services.ingest.outside.stop_page import Language, Scene, language_of, page

SCENES = get_args(Scene)
LANGUAGES = get_args(Language)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        pytest.param("", "en", id="says nothing"),
        pytest.param("fr", "fr", id="French"),
        pytest.param("fr-CA,fr;q=0.9,en;q=0.8", "fr", id="as a browser writes it"),
        pytest.param("en;q=0.5, fr;q=0.7", "fr", id="by weight, not by place"),
        pytest.param("en, fr", "en", id="the first of equals"),
        pytest.param("de-DE,de;q=0.9,fr;q=0.3", "fr", id="the better of what we speak"),
        pytest.param("de, es", "en", id="none of ours"),
        pytest.param("fr;q=0", "en", id="not French"),
        pytest.param("french, frigate", "en", id="no language"),
        pytest.param("fr;q=9,;;,\x00", "en", id="no header"),
        pytest.param(",".join(["x"] * 5000) + ",fr", "en", id="without end"),
    ],
)
def test_the_language_is_the_readers(accepted: str, language: str) -> None:
    """French or English; English to everybody else."""
    assert language_of(accepted) == language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scene", SCENES)
def test_every_page_is_whole_and_asks_nobody_else(scene: Scene, language: Language) -> None:
    """A language, a title, a heading; no script, no picture, nothing fetched from elsewhere."""
    html = page(scene, language)
    title = re.findall("<title>(.+)</title>", html)
    assert f'<html lang="{language}">' in html
    assert re.findall("<h1>(.+)</h1>", html) == title
    assert "viewport" in html
    assert not re.search(r"<script|<img|<link|https?:|url\(|{|@", html.split("</style>")[1])
    assert ("<form" in html) == (scene in ("ask", "later"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_button_posts_what_a_mail_program_posts(language: Language) -> None:
    """To its own address: the token stands nowhere in the page."""
    html = page("ask", language)
    assert '<form method="post">' in html
    assert 'name="List-Unsubscribe" value="One-Click"' in html
    assert html.count("<button") == 1


def test_both_languages_say_everything() -> None:
    """Each scene in each language has words of its own."""
    assert len({page(scene, language) for scene in SCENES for language in LANGUAGES}) == 8
