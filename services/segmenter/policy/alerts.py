"""Section `alerts`: which figures are watched."""

from typing import Annotated

from pydantic import AfterValidator, Field

from services.segmenter.policy.statistics import MinimumN
from services.segmenter.policy.words import Name, once
from shared.settings import Strict

#: `attribute:store` or `answer:reasons`.
GROUPING = r"^(attribute|answer):[^\x00-\x1f\x7f]{1,64}$"
Grouping = Annotated[str, Field(pattern=GROUPING)]
_Text = Annotated[str, Field(min_length=1, max_length=512)]


class FigureAlert(Strict):
    """Compare each period of `days` whole days with the one before it.

    `survey`, `source`: only these answers (null: all). `by`: each group by itself. `minimum_n`:
    answers needed in both periods (null: that of `statistics`). `tell`: each change is also an
    event, which `figure_alerts` of the playbook brings to colleagues.
    """

    name: Name
    survey: _Text | None = None
    source: _Text | None = None
    by: Grouping | None = None
    days: Annotated[int, Field(ge=1, le=366, strict=True)]
    minimum_n: MinimumN | None = None
    tell: bool = False


def _alerts(alerts: tuple[FigureAlert, ...]) -> tuple[FigureAlert, ...]:
    once("alert", [alert.name for alert in alerts])
    return alerts


FigureAlerts = Annotated[tuple[FigureAlert, ...], AfterValidator(_alerts)]
