"""A playbook that cannot be meant is refused, with the line and the fix."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.dispatcher.playbook.plays import Playbook
from shared.errors import ConfigError
from shared.settings import load_yaml
from tests.builders.dispatching import play


def _load(folder: Path, content: Any) -> Playbook:
    path = folder / "playbook.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_yaml(path, Playbook).value


def _when(**conditions: Any) -> dict[str, Any]:
    one = play("a", "promoter", "x")
    return {**one, "when": {**one["when"], **conditions}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(
            {"plays": [play("a", "promoter", "x")] * 2}, "two plays are named", id="twice"
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", variants={"price": "P"})]},
            "variants need a 'default'",
            id="no-default-variant",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", variants={"default": {"fr": "P"}})]},
            "needs a 'default' template",
            id="no-default-language",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", **{"class": "service"})]},
            "name its legal_basis",
            id="service-without-basis",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", cooldown="a month")]},
            "write a number and s, min, h or d",
            id="no-length-of-time",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", delay={"min": "3 min", "max": "2 min"})]},
            "max must not be below min",
            id="delay-upside-down",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", colour="red")]}, "unknown key", id="misspelt"
        ),
        pytest.param(
            {
                "plays": [],
                "quiet_hours": {"start": "08:00", "end": "08:00", "classes": ["marketing"]},
            },
            "start and end must differ",
            id="quiet-all-day-or-never",
        ),
        pytest.param(
            {"plays": [], "quiet_hours": {"start": 1200, "end": "08:00", "classes": ["marketing"]}},
            "in quotes",
            id="unquoted-20:00-is-a-number-to-yaml",
        ),
        pytest.param(
            {
                "plays": [],
                "quiet_hours": {"start": "20:00Z", "end": "08:00", "classes": ["marketing"]},
            },
            "in quotes",
            id="quiet-hours-of-a-zone",
        ),
        pytest.param({"plays": [], "max_age": 72}, "write a number and s, min, h", id="no-unit"),
        pytest.param({"plays": [], "max_age": "99999999 d"}, "3660 d at most", id="for-ever"),
        pytest.param(
            {
                "plays": [
                    play("a", "promoter", "x", variants={"default": {"default": "P", "FR": "F"}})
                ]
            },
            "no one finds 'FR'",
            id="a-template-no-one-finds",
        ),
        pytest.param(
            {"plays": [_when(language=["fr-FR"])]}, "should match pattern", id="language-and-region"
        ),
        pytest.param(
            {"plays": [_when(score_from=7, score_to=6)]},
            "score_to must not be below",
            id="no-such-score",
        ),
        pytest.param(
            {"plays": [_when(attributes_from={"mrr": 9}, attributes_to={"mrr": 8})]},
            "attributes_to.mrr must not be below attributes_from.mrr",
            id="no-such-value",
        ),
        pytest.param(
            {"plays": [_when(what=["referral"])]}, "give trigger action_completed", id="never-told"
        ),
        pytest.param(
            {
                "plays": [],
                "review_sites": {"g": {"audience": "promoters", "gating_forbidden": True}},
            },
            "forbids asking only the satisfied: write audience: everyone",
            id="a-site-that-forbids-gating",
        ),
        pytest.param(
            {
                "plays": [play("a", "promoter", "x", review_site="g")],
                "review_sites": {"g": {"audience": "everyone", "gating_forbidden": True}},
            },
            "g has audience everyone: remove segment from its when",
            id="everyone-is-not-the-promoters",
        ),
        pytest.param(
            {"plays": [play("a", "promoter", "x", review_site="h")]},
            "'h' is no site: add it to review_sites",
            id="no-such-site",
        ),
        pytest.param(
            {"plays": [play("a", "passive", "x", coupon="spring")]},
            "'spring' is no pool: add it to coupon_pools",
            id="no-such-pool",
        ),
        pytest.param(
            {
                "plays": [play("a", "promoter", "x", review_site="g", coupon="spring")],
                "review_sites": {"g": {"audience": "promoters"}},
                "coupon_pools": {"spring": {"most": 1, "period": "30 d"}},
            },
            "a review is never asked for with a coupon",
            id="a-review-for-sale",
        ),
        pytest.param(
            {"plays": [{**play("a", "promoter", "x"), "experiment": {}}]},
            "an experiment needs a hold_out or an arm",
            id="an-experiment-of-nothing",
        ),
    ],
)
def test_a_wrong_playbook_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    """The message names file, line and fix."""
    with pytest.raises(ConfigError, match=rf"playbook.yaml:\d+: .*{words}"):
        _load(tmp_path, content)
