"""The page on fetching shows an entry that works, with the defaults it tells of."""

from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from services.ingest.catalogue import laid_over_preset
from services.ingest.fetch.recipe import compile_recipe
from services.ingest.fetch.settings import Bulk, Fetch, Reconcile
from services.ingest.fetch.sight import FetchSight
from services.ingest.settings import SourcesFile
from shared.settings import Secrets

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "fetching.md").read_text(encoding="utf-8")


def test_its_entry_compiles_as_it_stands() -> None:
    """Nobody copies what the product refuses."""
    _, _, rest = PAGE.partition("```yaml\n")
    file = SourcesFile.model_validate(yaml.safe_load(rest.partition("```")[0]))
    entry = laid_over_preset(file.sources["pine"])
    recipe = compile_recipe("pine", entry, Secrets({"NPS_TOKEN_PINE": "token"}), version="v1")
    assert recipe is not None
    assert recipe.many is not None
    told, usual = recipe.settings, Fetch()
    assert (told.not_found_for_s, told.give_up_after_s) == (
        usual.not_found_for_s,
        usual.give_up_after_s,
    )
    bulk = Bulk.model_validate({"url": "https://a.example/", "items": "a"})
    assert {**recipe.many.settings.model_dump(), "url": "", "items": "", "next": None} == {
        **bulk.model_dump(),
        "url": "",
        "items": "",
    }
    assert recipe.reconcile == Reconcile(surveys=("F-2026",))


def test_it_names_every_metric() -> None:
    """What an operator can watch is told."""
    registry = CollectorRegistry()
    FetchSight(registry)
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}`" in PAGE
