"""She left at a campaign platform: a profile push sees it, and no tool asks or sells any more."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.examples import Answer
from tests.builders.fakes.listmonk import TOKEN, FakeListmonk
from tests.builders.served import served
from tests.builders.sink import Sink
from tests.builders.system import System, open_system, to_the_sink
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
YES = {"consent_email": "yes"}


class Lists(FakeListmonk):
    """A listmonk with no template yet, and one who left it."""

    def __init__(self, left: str) -> None:
        super().__init__()
        self._add(left, "blocklisted", [3], {})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/templates":
            return httpx.Response(200, json={"data": []})
        return super().answer(request)


def with_lists(url: str, secret: Path) -> Callable[[dict[str, Any]], None]:
    """Add a listmonk of this machine, to which profiles are pushed."""

    def edit(targets: dict[str, Any]) -> None:
        to_the_sink(targets)
        targets["targets"]["lists"] = {
            "preset": "listmonk",
            "vars": {"url": url, "api_user": "nps", "api_token": f"file:{secret}"},
            "attributes": {"nps_score": "nps_score", "nps_segment": "nps_segment"},
            "allow_http": True,
            "allow_private": True,
            "sandbox": True,
        }

    return edit


def offers(playbook: dict[str, Any]) -> None:
    """An offer to promoters by another platform, and an apology to detractors, which is service."""
    offer = {"action": "offer", "class": "marketing", "variants": {"default": "OFFER"}}
    sorry = {
        "action": "sorry",
        "class": "service",
        "legal_basis": "contract",
        "variants": {"default": "SORRY"},
    }
    playbook["plays"] = [
        {
            "name": str(do["action"]),
            "when": {"trigger": "received", "segment": [segment]},
            "do": {"channels": ["email"], "target": "sandbox", **do},
        }
        for segment, do in (("promoter", offer), ("detractor", sorry))
    ]


async def may_be_asked(system: System, email: str) -> dict[str, Any]:
    """Ask whether she may get a survey."""
    body = {"survey": "relational", "customers": [{"email": email}]}
    headers = {"Authorization": f"Bearer {system.token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{system.segmenter.url}/v1/survey-eligibility", json=body)
    (found,) = answer.raise_for_status().json()["customers"]
    return dict(found)


async def test_who_left_at_one_platform_is_asked_and_sold_nothing_by_any(
    tmp_path: Path, server: str, kafka: str, sink: Sink, someone: Callable[[], str]
) -> None:
    """Her yes to us is older than what the push sees; a complaint of hers is answered still."""
    email, secret = someone(), tmp_path / "token"
    secret.write_text(TOKEN)
    lists = Lists(email)
    before = lists.consent()
    async with (
        served(lists) as url,
        open_system(
            tmp_path, server, kafka, sink, playbook=offers, targets=with_lists(url, secret)
        ) as system,
    ):
        await system.start()
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES))

        async def known() -> bool:
            told = await system.customer(email)
            refused = [p for p in told["permits"] if p["contact_class"] in ("marketing", "survey")]
            words = {(c["source"], c["proof"]) for c in told["consents"] if c["state"] == "refused"}
            return words == {("lists", "status")} and not any(p["allowed"] for p in refused)

        await eventually(known, within=60, what="the segmenter knows what the platform showed")
        asked = await may_be_asked(system, email)
        assert asked["eligible"] is False
        assert "consent" in {reason["rule"] for reason in asked["reasons"]}

        await system.answer(Answer(response_id=uuid.uuid4().hex, score=10, email=email))
        (offer,) = await system.settled(email, 1)
        assert offer["state"] == "suppressed"
        assert "marketing refused on this channel" in offer["reason"]
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=1, email=email))
        await system.settled(email, 2)
        assert [action["action"] for action in sink.actions_for(email)] == ["sorry"]

        # Pushed with each answer, seen with each push, told once; and nothing there was changed.
        pushed = [call for call in lists.calls if call.method == "PATCH"]
        assert len(pushed) >= 2
        rows = await system.rows(
            "SELECT count(*) AS n FROM segmenter.facts WHERE kind = 'message.unsubscribed'"
        )
        assert rows[0].n == 1
        assert lists.consent() == before
        assert email not in system.logs()
