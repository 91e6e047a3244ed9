"""A canary person is forgotten everywhere: nothing of hers is left, and nothing brings her back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.examples import Answer, shop
from tests.builders.canary import (
    EMAIL,
    EXTERNAL,
    OTHER_EMAIL,
    PHONE,
    PLACES,
    SECRET,
    WORDS,
    Instance,
    sources_of,
    tell_all,
)
from tests.builders.canary_bus import CanaryBus, Kafka, LogBus
from tests.builders.postgres import read_sql
from tests.builders.sink import Sink
from tests.builders.survey_platform import survey_platform
from tests.builders.system import alerts_to_the_desk, to_the_sink, write_config
from tests.builders.waiting import eventually


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def bus(request: pytest.FixtureRequest, database: str) -> CanaryBus:
    """Either bus, nothing told on it yet."""
    if request.param == "postgres":
        return LogBus(database)
    return Kafka(request.getfixturevalue("kafka"))


@pytest.fixture
async def instance(
    database: str, bus: CanaryBus, tmp_path: Path, sink: Sink
) -> AsyncIterator[Instance]:
    """An instance of this test alone, running."""
    async with survey_platform() as platform:
        config = write_config(
            tmp_path / "config",
            targets=to_the_sink,
            playbook=alerts_to_the_desk,
            sources=sources_of(platform),
        )
        made = Instance(database, bus, tmp_path, config, sink, platform)
        try:
            await bus.prepare()
            await made.process.start()
            yield made
        finally:
            await made.close()


async def known_everywhere(instance: Instance) -> str:
    """Wait until all ways have brought her in, as one customer; gives her id."""

    async def known() -> str:
        (she,) = {
            *await instance.customers(email=EMAIL),
            *await instance.customers(email=OTHER_EMAIL),
            *await instance.customers(phone=PHONE),
        }
        planned = await instance.deliveries(she)
        states = {one["state"] for one in planned}
        assert {"parked", "accepted"} <= states, [(d["play"], d["reason"]) for d in planned]
        seen = await instance.left()
        # Where the spool is told, it is told at once.
        places = {*PLACES} if instance.bus.spools else {*PLACES, "ingest.spool.value"}
        assert places <= set(seen), sorted(seen)
        return she

    she = await eventually(known, within=60, what="all of her, everywhere")
    assert instance.sink.profile_of(EMAIL)
    return she


async def nothing_left(instance: Instance) -> None:
    """Wait until no service's table holds a word of hers, and the platform does not know her."""

    async def gone() -> bool:
        assert await instance.left() == {}
        return True

    await eventually(gone, what="nothing of hers in any table")
    assert await instance.customers(email=EMAIL) == []
    assert instance.sink.profile_of(EMAIL) == {}


async def topics_forget(instance: Instance) -> None:
    """Let the days pass that records are kept for; dead letters are there first, and then gone."""
    assert await instance.bus.dead()
    assert await instance.bus.left(WORDS) != set()
    await instance.bus.forget()
    assert not await instance.bus.dead()
    assert await instance.bus.left(WORDS) == set()


async def test_a_canary_is_forgotten_everywhere_and_nothing_brings_her_back(
    instance: Instance,
) -> None:
    """By every way in and at every stage; only an answer given later makes somebody new."""
    sink = instance.sink
    with sink.refusing("main action", 302):
        await tell_all(instance)
        await instance.publish_unreadable()
        await instance.leave_in_the_spool()
        she = await known_everywhere(instance)

    receipt = await instance.forget()

    assert receipt["state"] == "done"
    assert she in receipt["customer_ids"]
    targets = {one["target"]: one["state"] for one in receipt["platforms"]["targets"]}
    assert targets == {"sandbox": "done", "desk": "done"}
    await nothing_left(instance)
    stubs = await instance.deliveries(she)
    assert {one["reason"] for one in stubs} == {"she was erased"}

    calls = len(sink.actions)
    imported = await tell_all(instance)
    await instance.api("/v1/quarantine/remap", dry_run=False)
    await instance.caught_up()

    assert (imported["told"], imported["erased"]) == (0, 2)
    await nothing_left(instance)
    assert not [one for one in sink.actions[calls:] if one.get("email") in (EMAIL, OTHER_EMAIL)]
    await topics_forget(instance)

    then = datetime.now(UTC)
    later = Answer("zz-later", score=10, email=EMAIL, external_id=EXTERNAL, answered_at=then)
    await instance.post(shop(later, secret=SECRET))

    async def somebody_new() -> bool:
        return sink.profile_of(EMAIL).get("nps_response_count") == 1

    await eventually(somebody_new, what="a new customer at the platform")
    (new,) = await instance.customers(email=EMAIL)
    assert new != she
    assert await instance.customers(phone=PHONE) == []
    facts = f"SELECT min(occurred_at) FROM segmenter.facts WHERE customer_id = '{new}'"
    assert await read_sql(instance.database, facts) == [(then,)]
    text = instance.process.log.read_text(errors="replace").lower()
    assert [word for word in WORDS if word in text] == []
