"""Writes the Grafana dashboards, `dashboards/*.json`, from the tables of panels in `panels/*.yaml`.

    python deploy/observability/dashboards.py

Places and ids follow from the order of the table, so that a panel put in between changes nothing
else by hand. A test holds the files to the tables, and every metric in them to docs/metrics.md.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).resolve().parent
#: Of Grafana 9.0; newer ones read it and bring it up to theirs.
_SCHEMA: Final = 36
_WIDE: Final = 24
_HEIGHT: Final = 8
#: Three panels side by side.
_WIDTH: Final = 8
#: Which Prometheus is asked, the reader chooses.
_PROMETHEUS: Final = {"type": "prometheus", "uid": "${datasource}"}


def as_json(table: Mapping[str, Any]) -> str:
    """Return the file of a dashboard, by its table of panels."""
    made = {
        "uid": table["uid"],
        "title": table["title"],
        "description": table["about"],
        "tags": ["nps"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), *(_choice(*one) for one in table["choices"].items())]},
        "annotations": {"list": []},
        "panels": list(_placed(table["rows"])),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
    }


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _PROMETHEUS,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"h": 1, "w": _WIDE, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row["title"], "gridPos": place, "panels": []}
        top, left = top + 1, 0
        for panel in row["panels"]:
            width = panel.get("width", _WIDTH)
            if left + width > _WIDE:
                top, left = top + _HEIGHT, 0
            number += 1
            place = {"h": _HEIGHT, "w": width, "x": left, "y": top}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            left += width
        top += _HEIGHT


def _panel(panel: Mapping[str, Any]) -> dict[str, Any]:
    kind, stacked = panel.get("kind", "timeseries"), panel.get("stacked", False)
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if "red_from" in panel:
        steps.append({"color": "red", "value": panel["red_from"]})
    defaults: dict[str, Any] = {
        "unit": panel["unit"],
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if kind == "timeseries":
        stacking = {"mode": "normal" if stacked else "none", "group": "A"}
        defaults["custom"] = {"fillOpacity": 20 if stacked else 0, "stacking": stacking}
    return {
        "type": kind,
        "title": panel["title"],
        "description": panel["about"],
        "datasource": _PROMETHEUS,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _PROMETHEUS,
                "expr": expr,
                "legendFormat": legend,
            }
            for at, (legend, expr) in enumerate(panel["queries"].items())
        ],
    }


def main() -> None:
    """Write every dashboard."""
    for table in sorted((HERE / "panels").glob("*.yaml")):
        made = as_json(yaml.safe_load(table.read_text(encoding="utf-8")))
        (HERE / "dashboards" / f"{table.stem}.json").write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
