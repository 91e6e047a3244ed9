"""The link of a letter: looking changes nothing, one POST unsubscribes, a made-up link nobody."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.ingest.settings import Rate
from shared.events.outcomes import MessageUnsubscribed
from shared.process import Context
from shared.stop_links import Stop, StopLinks, Stoppable
from tests.builders.ingest import ENVIRON, Ingest, running_ingest
from tests.builders.ingest_store import BusWith, SwitchedBus
from tests.builders.lines import written_lines
from tests.builders.waiting import eventually

DELIVERY = UUID("0b0c5c0e-6f7e-5f0c-9a54-5f3b7f8f1f10")
NOW = datetime(2026, 11, 22, 9, 30, 5, 250_000, tzinfo=UTC)
AT = NOW.replace(microsecond=0)
LINKS = StopLinks(ENVIRON["NPS_ROUTE_SECRET"].encode())
ADDRESS = f"/u/{LINKS.token(Stop(DELIVERY, 'marketing'))}"
CLICK = {"List-Unsubscribe": "One-Click"}


class Clock:
    """A clock that the test sets."""

    now = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands still."""
    return Clock()


@pytest.fixture
async def ingest(database: str, clock: Clock) -> AsyncIterator[Ingest]:
    """Ingest with the shipped configuration."""
    async with running_ingest(database, clock=clock) as running:
        yield running


@pytest.mark.parametrize(
    ("stopped", "body"),
    [
        pytest.param("marketing", CLICK, id="a mail program"),
        pytest.param("survey", {}, id="somebody's own form"),
    ],
)
async def test_one_click_unsubscribes(
    ingest: Ingest, stopped: Stoppable, body: dict[str, str]
) -> None:
    """One event of that delivery, of its class, at that moment; a record keyed by the delivery."""
    token = LINKS.token(Stop(DELIVERY, stopped))
    answer = await ingest.client.post(f"/u/{token}", data=body)
    assert answer.status_code == 200
    assert "unsubscribed" in answer.text
    (event,) = await ingest.published()
    assert (event.source, event.time) == ("unsubscribe", AT)
    assert event.data == MessageUnsubscribed(
        delivery_id=DELIVERY, channel="email", contact_class=stopped, occurred_at=AT
    )
    assert await ingest.rows("SELECT topic, key FROM bus.records") == [
        ("nps.outcomes", str(DELIVERY))
    ]


async def test_a_click_that_is_sent_twice_is_one_event(ingest: Ingest, clock: Clock) -> None:
    """A mail program repeats; what she says later, after a new consent, is said anew."""
    for _ in range(2):
        assert (await ingest.client.post(ADDRESS, data=CLICK)).status_code == 200
    clock.now += timedelta(days=1)
    assert (await ingest.client.post(ADDRESS, data=CLICK)).status_code == 200
    first, again, later = await ingest.published()
    assert first == again
    assert later.id != first.id
    assert later.data == MessageUnsubscribed(
        delivery_id=DELIVERY, channel="email", occurred_at=AT + timedelta(days=1)
    )


async def test_to_look_changes_nothing(ingest: Ingest) -> None:
    """Mail scanners open every link: they find a button, in the reader's language."""
    page = await ingest.client.get(ADDRESS, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
    glance = await ingest.client.head(ADDRESS)
    assert (page.status_code, glance.status_code) == (200, 200)
    assert '<html lang="fr">' in page.text
    assert '<form method="post">' in page.text
    assert page.headers["content-language"] == "fr"
    assert await ingest.published() == []


async def test_a_page_is_kept_and_framed_by_nobody_and_tells_nobody(ingest: Ingest) -> None:
    """No cookie, no cache, no referrer with the token in it, no script, no frame."""
    for answer in (await ingest.client.get(ADDRESS), await ingest.client.post(ADDRESS)):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "set-cookie" not in answer.headers
        assert ADDRESS.rpartition("/")[2] not in answer.text


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(ADDRESS[3:-1], id="cut off"),
        pytest.param(str(DELIVERY), id="a delivery's id"),
        pytest.param(StopLinks(b"of others").token(Stop(DELIVERY, "marketing")), id="forged"),
        pytest.param("%00%ff", id="no text"),
    ],
)
async def test_a_link_that_is_not_ours_is_one_quiet_page(ingest: Ingest, token: str) -> None:
    """The same for each, looked at or posted to; nothing is told."""
    looked = await ingest.client.get(f"/u/{token}")
    posted = await ingest.client.post(f"/u/{token}", data=CLICK)
    assert (looked.status_code, posted.status_code) == (404, 404)
    assert looked.text == posted.text
    assert "<form" not in looked.text
    assert await ingest.published() == []


async def test_a_body_without_end_is_refused(ingest: Ingest) -> None:
    """Nothing in it matters, so little of it is taken."""
    answer = await ingest.client.post(ADDRESS, content=b"x" * 5000)
    assert answer.status_code == 413
    assert await ingest.published() == []


async def test_its_line_and_count_name_no_token(ingest: Ingest) -> None:
    """One line per POST with the event's id; the metric's label is ours."""
    with written_lines("services.ingest.sight") as lines:
        await ingest.client.post(ADDRESS, data=CLICK)
        await ingest.client.post("/u/none", data=CLICK)
    (event,) = await ingest.published()
    done, unknown = lines
    assert (done["route"], done["outcome"], done["status"]) == ("unsubscribe", "accepted", 200)
    assert done["event_id"] == str(event.id)
    assert (unknown["outcome"], unknown["status"]) == ("unknown", 404)
    assert ADDRESS[3:] not in str(lines)
    for outcome in ("accepted", "unknown"):
        counted = {"source": "unsubscribe", "outcome": outcome}
        assert ingest.metric("nps_ingest_requests_total", **counted) == 1


async def test_what_is_not_durable_is_not_done(database: str, clock: Clock) -> None:
    """With the bus away the page says so, and its button tries again; then it is done once."""
    switched: list[SwitchedBus] = []

    async def wrap(context: Context) -> Context:
        switched.append(SwitchedBus(context.bus.publisher, away=True))
        return dataclasses.replace(context, bus=BusWith(context.bus, switched[0]))

    async with running_ingest(database, clock=clock, wrap=wrap) as ingest:
        refused = await ingest.client.post(ADDRESS, data=CLICK)
        switched[0].away = False
        done = await ingest.client.post(ADDRESS, data=CLICK)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert '<form method="post">' in refused.text
        assert done.status_code == 200
        assert len(await ingest.published()) == 1


async def test_while_the_broker_is_away_a_click_waits_in_the_spool(
    database: str, clock: Clock
) -> None:
    """It is durable, so it is done; and it is told when the broker is back."""
    switched: list[SwitchedBus] = []

    async def wrap(context: Context) -> Context:
        switched.append(SwitchedBus(context.bus.publisher, away=True))
        settings = context.settings.model_copy(update={"bus": "kafka"})
        bus = BusWith(context.bus, switched[0])
        return dataclasses.replace(context, bus=bus, settings=settings)

    async with running_ingest(database, clock=clock, wrap=wrap) as ingest:
        done = await ingest.client.post(ADDRESS, data=CLICK)
        assert done.status_code == 200
        assert await ingest.published() == []
        stopping = asyncio.Event()
        drain = asyncio.ensure_future(ingest.part.tasks["drain"](stopping))
        switched[0].away = False

        async def arrived() -> bool:
            return len(await ingest.published()) == 1

        await eventually(arrived, what="the click on the bus")
        stopping.set()
        await drain


async def test_too_many_at_once_are_told_to_come_again(
    database: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a source that sends too much; a link that is none of ours takes nothing of it."""
    monkeypatch.setattr("services.ingest.outside.stop_api.RATE", Rate(per_second=0.01, burst=2))
    async with running_ingest(database, clock=clock) as ingest:
        for _ in range(5):
            assert (await ingest.client.post("/u/none")).status_code == 404
        answers = [await ingest.client.post(ADDRESS) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert '<form method="post">' in answers[2].text
