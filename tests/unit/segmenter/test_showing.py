"""A customer as the API shows her."""

from uuid import UUID

from services.segmenter.api.showing import customer_view
from services.segmenter.profile.profile import rebuild
from shared.events import feedback
from tests.builders.facts import NOON, answered, fact, rulebook


def test_every_response_stands_in_a_band_of_its_own_metric() -> None:
    """NPS by the policy, others by their source; only NPS has moves and makes her segment."""
    given = feedback.Given(value=2, least=1, most=5, band="detractor")
    told = [answered("r1", 9), answered("r2", 2, metric="csat", given=given)]
    shown = customer_view(
        rebuild(map(fact, told)),
        rulebook(),
        NOON,
        customer_id=UUID(int=1),
        aliases=(),
        version=2,
        created_at=NOON,
        decisions=(),
    )
    found = {one.response_id: (one.metric, one.score, one.segment) for one in shown.responses}
    assert found == {"r1": ("nps", 9, "promoter"), "r2": ("csat", None, "detractor")}
    (move,) = (one.move for one in shown.responses if one.move is not None)
    assert (move.kind, shown.profile.segment) == ("first", "promoter")
