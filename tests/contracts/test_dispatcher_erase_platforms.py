"""Platforms are asked to delete her: as often as it takes, and by every name that she had."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.dispatcher.api.subject import build_subject_router
from services.dispatcher.calls.calls import Idempotency, Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.ledger.deletion import KEPT
from services.dispatcher.tell.confirm import confirm_erasures
from services.dispatcher.watch import measure
from shared.errors import DependencyAway
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from shared.events.outcomes import ErasureConfirmed
from shared.events.vocabulary import Identifier
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig
from shared.settings import Secrets
from tests.builders.auditing import kept, trail
from tests.builders.auditing import told as rows_of
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, erased, later, merged
from tests.builders.dispatching import Dispatching, dispatching, play, rules, unhurried

SHE, HER_OLD_ID, SOMEBODY = uuid.UUID(int=71), uuid.UUID(int=70), uuid.UUID(int=5)
TARGET = TargetRules("sandbox", 8, ("nps_segment",), ("nps_score",), None, True, erased_by=())
BY_ADDRESS = replace(TARGET, name="mails", erased_by=("email",))
CANNOT = replace(TARGET, name="cannot", erased_by=None)
ALERT = play(
    "alert", "promoter", "alert", target="alerts", channels=["chat"], **{"class": "internal"}
)
BOOK = rules(play("thanks", "promoter", "invite"), ALERT, targets=[TARGET, BY_ADDRESS, CANNOT])
OPEN = "SELECT count(*) FROM deletions WHERE identifiers IS NOT NULL"
ACCESS = Access(
    AccessConfig.model_validate(
        {
            "tokens": [
                {"name": "dpo", "scopes": ["erase"], "token": "env:NPS_TOKEN_DPO"},
                {"name": "ops", "scopes": ["read", "operate"], "token": "env:NPS_TOKEN_OPS"},
            ]
        }
    ),
    Secrets({"NPS_TOKEN_DPO": "dpo-token", "NPS_TOKEN_OPS": "ops-token"}),
)
DPO = {"Authorization": "Bearer dpo-token"}


def hers(customer: uuid.UUID = SHE, *, address: str = "she@example.com", **said: Any) -> Any:
    """A promoter's decision."""
    return decision(customer, segment="promoter", address=address, **said)


def answers(*verdicts: Verdict) -> ScriptedCarrier:
    """A platform that answers deletions like this, then as it should."""
    return ScriptedCarrier(
        on_erase=lambda number: verdicts[number - 1] if number <= len(verdicts) else OK
    )


@asynccontextmanager
async def client(d: Dispatching) -> AsyncIterator[httpx.AsyncClient]:
    """Who handles such requests."""
    router = build_subject_router(d.engine, ACCESS, lambda: d.now, trail=trail("dispatcher"))
    app = make_app([Part("dispatcher", routers=[router])], d.registry)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=DPO) as one:
        yield one


async def receipt(d: Dispatching, event: Event) -> dict[str, Any]:
    """What the dispatcher tells of an erasure, its targets by name."""
    async with client(d) as caller:
        answer = await caller.get(f"/v1/erasures/{event.data.erasure_id}/targets")  # type: ignore[union-attr]
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return {**told, "targets": {one["target"]: one for one in told["targets"]}}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Verdict("retry", "HTTP 503"), id="503"),
        pytest.param(Verdict("in_doubt", "no answer"), id="no-answer"),
        pytest.param(Verdict("throttle", "HTTP 429", timedelta(seconds=7)), id="throttled"),
        pytest.param(Verdict("reject", "HTTP 400"), id="refused"),
        pytest.param(Verdict("park", "find: 2 profiles match"), id="several-match"),
        pytest.param(Verdict("disable_target", "HTTP 401", timedelta(seconds=9)), id="no-access"),
    ],
)
async def test_a_deletion_is_tried_until_it_is_done_then_its_names_are_emptied(
    database: str, trouble: Verdict
) -> None:
    """Whatever stood in its way; even a refusal may be put right at the platform meanwhile."""
    carrier = answers(trouble, trouble)
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        await d.run("sandbox")
        told = (await receipt(d, erased(SHE)))["targets"]["sandbox"]
        assert (told["state"], told["reason"]) == ("due", trouble.reason)
        await d.run_until(later(days=3), every=timedelta(hours=6))
        assert len(carrier.deletions) == 3
        assert len({call.message_id for call in carrier.deletions}) == 1
        after = await receipt(d, erased(SHE))
        assert after["targets"]["sandbox"]["state"] == "done"
        assert await d.scalars(OPEN) == [0]
        await d.run_until(later(days=9), every=timedelta(days=1))
        assert len(carrier.deletions) == 3


async def test_a_worker_killed_during_the_deletion_loses_nothing(database: str) -> None:
    """The row is there, the lease lapses, and another process asks again."""
    async with dispatching(database, BOOK) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        await d.fresh()
        lane = d.lanes["sandbox"]
        await lane.step()
        for task in lane.flights.tasks:
            task.cancel()
        assert await d.scalars("SELECT state FROM deletions WHERE target = 'sandbox'") == [
            "sending"
        ]
        await d.lapse()
    async with dispatching(database, BOOK) as again:
        await again.run()
        again.now = later(minutes=1)
        await again.run()
        assert [call.customer_id for call in again.carriers["sandbox"].deletions] == [SHE]
        assert await again.scalars(OPEN) == [0]


async def test_who_must_be_asked_by_hand_is_in_the_receipt(database: str) -> None:
    """Where nothing ever went nobody must be asked; the others are told with their reasons."""
    async with dispatching(database, BOOK) as d:
        await d.tell(hers())
        await d.run("sandbox", "alerts", "mails", "cannot")
        await d.execute("UPDATE pushes SET target = 'gone' WHERE target = 'mails'")
        other = erased(SOMEBODY, number=2)
        await d.tell(erased(SHE), other)
        before = await receipt(d, erased(SHE))
        assert before["done"] is False
        assert before["counts"] == {
            "deliveries": 2,
            "ended": 0,
            "pushes": 3,
            "recipients": 1,
            "deletions": 4,
        }
        await d.run()
        after = await receipt(d, erased(SHE))
        assert after["done"] is True
        assert {name: (one["state"], one["reason"]) for name, one in after["targets"].items()} == {
            "alerts": ("by_hand", "this platform takes no deletion from us: ask there by hand"),
            "cannot": ("by_hand", "this platform takes no deletion from us: ask there by hand"),
            "gone": ("by_hand", "it is not configured: ask there by hand"),
            "sandbox": ("done", "taken"),
        }
        nobody = await receipt(d, other)
        assert (nobody["done"], nobody["targets"]) == (True, {})


async def test_a_receipt_is_for_who_may_erase_and_for_erasures_that_have_come(
    database: str,
) -> None:
    """Told of before it came, it is not known yet; reading and operating is not enough."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        url = f"/v1/erasures/{uuid.uuid4()}/targets"
        assert (await caller.get(url)).status_code == 404
        ops = {"Authorization": "Bearer ops-token"}
        assert (await caller.get(url, headers=ops)).status_code == 403
        body = {"customer_ids": [str(SHE)]}
        answer = await caller.post("/v1/recipients/export", json=body, headers=ops)
        assert answer.status_code == 403


async def test_nobody_known_is_no_error(database: str) -> None:
    """The segmenter tells of an erasure by its own id then; nobody is made by it."""
    nobody = erased(SHE)
    assert not isinstance(nobody.data, CustomerDecided)
    data = nobody.data.model_copy(update={"customer_ids": ()})
    async with dispatching(database, BOOK) as d:
        await d.tell(replace(nobody, data=data))
        assert await d.scalars("SELECT count(*) FROM recipients") == [0]
        assert (await receipt(d, nobody))["done"] is True


@pytest.mark.parametrize(
    ("target", "hour"),
    [pytest.param(TARGET, 0, id="stale"), pytest.param(unhurried(TARGET), 13, id="at-night")],
)
async def test_neither_staleness_nor_quiet_hours_hold_a_deletion_back(
    database: str, target: TargetRules, hour: int
) -> None:
    """No message goes out at such a time; a deletion reaches nobody."""
    quiet = {"start": "20:00", "end": "08:00", "classes": ["marketing"]}
    book = rules(play("thanks", "promoter", "invite"), targets=[target], quiet_hours=quiet)
    async with dispatching(database, book) as d:
        await d.tell(hers(triggers=()))
        await d.run()
        d.now = later(hours=hour, minutes=30)
        if hour:
            await d.fresh()
        await d.tell(hers(SOMEBODY, at=d.now), erased(SHE))
        await d.run(fresh=False)
        assert [call.customer_id for call in d.carriers["sandbox"].deletions] == [SHE]
        assert d.carriers["sandbox"].actions == []


async def test_a_target_is_told_every_name_that_she_had(database: str) -> None:
    """Each id and each address once; where an address is needed, as often as she had one."""
    phone = Identifier(kind="phone", value="+33698765432")
    both = hers(version=3, address="new@example.com")
    both = both.model_copy(update={"identifiers": (*both.identifiers, phone)})
    async with dispatching(database, BOOK) as d:
        await d.tell(hers(HER_OLD_ID, address="old@example.com"))
        await d.run()
        await d.tell(merged(HER_OLD_ID, SHE), both)
        await d.run()
        await d.tell(erased(HER_OLD_ID, SHE))
        await d.run()
        d.now = later(minutes=1)
        await d.run()

        def named(target: str) -> list[tuple[uuid.UUID, list[str]]]:
            calls = d.carriers[target].deletions
            return [(c.customer_id, [i.value for i in c.identifiers]) for c in calls]

        assert sorted(ids for ids, _ in named("sandbox")) == [HER_OLD_ID, SHE]
        for target in ("sandbox", "mails"):
            said = sorted(value for _, values in named(target) for value in values)
            assert said == ["+33698765432", "new@example.com", "old@example.com"]


async def test_who_comes_back_under_the_same_address_is_pushed_again_after_the_deletion(
    database: str,
) -> None:
    """The platform knows people by their address: it deletes the new profile with the old one."""
    carrier = answers(Verdict("retry", "HTTP 503"))
    async with dispatching(database, BOOK, carriers={"mails": carrier}) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        await d.run("mails")
        await d.tell(hers(SOMEBODY), decision(uuid.UUID(int=6), segment="promoter"))
        await d.run("mails")
        assert [kind for kind, _ in carrier.kinds] == ["push", "erase", "push", "push"]
        d.now = later(minutes=1)
        await d.run("mails")
        assert carrier.kinds[4:] == [("erase", SHE), ("push", SOMEBODY)]
        assert (await d.push(SOMEBODY, "mails")).state == "reached"


async def test_what_no_platform_did_in_a_month_is_left_to_a_person(database: str) -> None:
    """A platform away for good, or one that left the configuration: no name is kept for ever."""
    carrier = ScriptedCarrier(on_erase=lambda _number: Verdict("retry", "HTTP 503"))
    async with dispatching(database, BOOK, carriers={"mails": carrier}) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        d.now += KEPT - timedelta(hours=1)
        await d.run("mails")
        await sweep(d.engine, ["mails"], d.now)
        assert (await receipt(d, erased(SHE)))["targets"]["sandbox"]["state"] == "due"
        d.now += timedelta(hours=1)
        await sweep(d.engine, ["mails"], d.now)
        told = (await receipt(d, erased(SHE)))["targets"]
        assert {told[name]["state"] for name in ("mails", "sandbox")} == {"by_hand"}
        assert "within 30 days: ask there by hand" in told["sandbox"]["reason"]
        assert await d.scalars(OPEN) == [0]


async def test_open_deletions_are_measured_by_target(database: str) -> None:
    """So that an alert can tell of one that does not get done."""
    async with dispatching(database, BOOK, carriers={"mails": answers(Verdict("retry", "5"))}) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        await d.run()
        await measure(d.engine, d.metrics, d.rulebook.targets, lambda: d.now)

        def open_at(target: str) -> float | None:
            labels = {"target": target}
            return d.registry.get_sample_value("nps_dispatcher_deletions_open", labels)

        assert (open_at("mails"), open_at("sandbox")) == (1, 0)


async def test_an_erasure_is_confirmed_here_at_once_and_with_the_last_platform(
    database: str,
) -> None:
    """Each is said once; told again of it, because the word was missed, it is said again."""
    mails = answers(Verdict("retry", "HTTP 503"))
    async with dispatching(database, BOOK, carriers={"mails": mails}) as d:

        async def said() -> list[str]:
            d.bag.messages.clear()
            told = await confirm_erasures(d.engine, d.bag, d.now)
            words = [e.data for e in d.bag.events() if isinstance(e.data, ErasureConfirmed)]
            assert len(words) == told
            return [word.part for word in words]

        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        await d.run()
        assert (await said(), await said()) == (["dispatcher"], [])
        d.now += timedelta(days=1)
        await d.run()
        assert (await said(), await said()) == (["platforms"], [])
        await d.tell(erased(SHE))
        assert (await said(), await said()) == (["platforms"], [])


async def test_a_bus_that_is_away_hears_later_that_it_is_done(database: str) -> None:
    """Under the same id, whether it took the word or not."""
    async with dispatching(database, BOOK) as d:
        await d.tell(erased(SHE))
        d.bag.away = True
        with pytest.raises(DependencyAway):
            await confirm_erasures(d.engine, d.bag, d.now)
        d.bag.away = False
        assert await confirm_erasures(d.engine, d.bag, later(minutes=1)) == 1
        assert len({event.id for event in d.bag.events()}) == 1
        assert len(d.bag.messages) == 2


async def test_an_export_holds_all_that_is_kept_of_her_and_nothing_of_others(
    database: str,
) -> None:
    """With whoever was merged into her; after the erasure ids and times are all there is."""
    carrier = ScriptedCarrier(action_idempotency=Idempotency("none"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(hers(HER_OLD_ID), merged(HER_OLD_ID, SHE), hers(version=3), hers(SOMEBODY))
        await d.run()
        for one in (SHE, SOMEBODY):
            done = "INSERT INTO completed (customer_id, what, at) VALUES (:one, 'referral', :at)"
            await d.execute(done, one=one, at=d.now)

        async def export() -> dict[str, list[dict[str, Any]]]:
            body = {"customer_ids": [str(SHE)]}
            answer = await caller.post("/v1/recipients/export", json=body)
            assert answer.status_code == 200, answer.text
            told: dict[str, list[dict[str, Any]]] = answer.json()
            return told

        told = await export()
        ((actor, action, _, detail),) = rows_of(await kept(d.engine, "dispatcher"))
        who = {"customers": [str(SHE)]}
        assert (actor, action, detail) == ("dpo", "recipients.exported", who)
        assert {row["customer_id"] for rows in told.values() for row in rows} == {
            str(SHE),
            str(HER_OLD_ID),
        }
        assert "she@example.com" in str(told["recipients"])
        assert len(told["deliveries"]) == 4
        assert told["deliveries"][0]["changes"][0]["state"] == "planned"
        alerts = {row["id"] for row in told["deliveries"] if row["target"] == "alerts"}
        assert {row["delivery_id"] for row in told["alerts"]} == alerts
        assert [row["what"] for row in told["completed"]] == ["referral"]
        await d.tell(erased(HER_OLD_ID, SHE))
        await d.run()
        after = await export()
        assert "example.com" not in str(after)
        assert (after["pushes"], after["alerts"], after["completed"]) == ([], [], [])
        assert {row["id"] for row in after["deliveries"]} == {r["id"] for r in told["deliveries"]}
