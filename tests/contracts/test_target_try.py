"""`nps target try` against a running instance: a customer's requests, shown or, safely, sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from services.cli import app as nps
from services.dispatcher.__main__ import build as dispatcher
from services.ingest.__main__ import build as ingest
from services.ingest.examples import Answer, shop
from services.sandbox.__main__ import build as sandbox
from services.segmenter.__main__ import build as segmenter
from shared.hosting import make_app, with_fronts
from shared.process import open_context, read_settings
from tests.builders.operating import answering, run, told
from tests.builders.postgres import bare_database
from tests.builders.responses import SECRETS
from tests.builders.waiting import eventually

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "config"
EMAIL = "camille@example.com"
#: What must be on no screen and in no pipe.
SECRET = "made-up-secret-of-adobe"
ENVIRON = {
    **SECRETS,
    "NPS_ROUTE_SECRET": "route key of the tests",
    "NPS_ALL": "token with every scope",
    "NPS_LOOK": "token that may look",
    # The instance's own deliveries reach nobody: what the sandbox has, the command sent.
    "NPS_SANDBOX_URL": "http://127.0.0.1:9/sandbox",
}
ACCESS = """
tokens:
  - {name: everything, scopes: [events, read, operate, erase], token: env:NPS_ALL}
  - {name: looker, scopes: [read], token: env:NPS_LOOK}
"""


@dataclass(frozen=True)
class Instance:
    """A running instance that knows one customer."""

    url: str
    customer_id: str

    async def tried(self, *arguments: object, token: str = ENVIRON["NPS_ALL"]) -> Result:
        """Run the command as an operator of it would, on a machine that has credentials."""
        environ = {
            "NPS_TOKEN": token,
            "NPS_SANDBOX_URL": f"{self.url}/sandbox",
            "NPS_ADOBE_CLIENT_ID": "client-of-adobe",
            "NPS_SECRET_ADOBE": SECRET,
        }
        words = ["target", "try", *arguments, "--config", SHIPPED]
        return await run(nps, *words, url=self.url, environ=environ)

    async def sent(self) -> dict[str, Any]:
        """Ask the sandbox what it has received, with its counters by account."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            answer = await client.get("/sandbox/api/received", params={"limit": 50})
        found: dict[str, Any] = answer.json()
        return found

    async def effects(self) -> int:
        """Count the profiles written and actions done at the sandbox."""
        counted = (await self.sent())["counters"].values()
        return sum(one["actions"] + one["profiles"] for one in counted)


@pytest.fixture(scope="module")
async def instance(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Instance]:
    """All services in one process, at work, with one detractor."""
    config = tmp_path_factory.mktemp("config")
    for name in ("sources", "policy", "playbook", "targets"):
        (config / f"{name}.yaml").write_text((SHIPPED / f"{name}.yaml").read_text())
    (config / "access.yaml").write_text(ACCESS)
    async with bare_database(server, template) as database:
        settings = read_settings(database_url=database, config=config)
        async with open_context(settings, ENVIRON) as context:
            parts = [await build(context) for build in (ingest, segmenter, dispatcher, sandbox)]
            stopping = asyncio.Event()
            tasks = [task(stopping) for part in parts for task in part.tasks.values()]
            working = asyncio.gather(*tasks)
            app = with_fronts(make_app(parts, context.registry), parts)
            async with answering(app) as url:
                yield Instance(url, await _known(url))
            stopping.set()
            await asyncio.wait_for(working, 30)
            for part in reversed(parts):
                await part.close()


async def _known(url: str) -> str:
    """Let somebody answer, and wait until the dispatcher knows her; returns her id."""
    request = shop(
        Answer(response_id="r1", score=3, email=EMAIL), secret=ENVIRON["NPS_SECRET_SHOP"]
    )
    headers = {"Authorization": f"Bearer {ENVIRON['NPS_ALL']}"}
    async with httpx.AsyncClient(base_url=url) as client:
        taken = await client.post(request.path, content=request.body, headers=request.headers)
        assert taken.status_code == 202

        async def there() -> str | None:
            asked = await client.post(
                "/v1/customers/search", json={"email": EMAIL}, headers=headers
            )
            found = asked.json()["customers"]
            if len(found) != 1:
                return None
            wish = {"customer_ids": [found[0]["customer_id"]]}
            kept = await client.post("/v1/recipients/export", json=wish, headers=headers)
            known = [row for row in kept.json()["recipients"] if row["state"]]
            return str(known[0]["customer_id"]) if known else None

        found = await eventually(there, what="the customer in the dispatcher")
        assert found is not None
        return found


async def test_a_real_customers_requests_are_shown_and_nothing_is_sent(instance: Instance) -> None:
    """By her id or her address: where it would go, with what, and every secret hidden."""
    before = await instance.effects()
    by_id = await instance.tried("adobe", "--customer", instance.customer_id, "--push", "--json")
    by_address = await instance.tried("adobe", "--customer", f"email:{EMAIL}", "--push", "--json")
    shown = told(by_id)
    assert by_id.exit_code == by_address.exit_code == 0
    assert [one["step"] for one in shown["requests"]] == ["sign-in", "find", "create", "update"]
    assert [one["method"] for one in shown["requests"]] == ["POST", "GET", "POST", "PATCH"]
    assert shown["sent"] is False
    assert "camille%40example.com" in shown["requests"][1]["url"]
    assert '"cusNpsScore":3' in shown["requests"][3]["body"]
    assert told(by_address) == shown
    for result in (by_id, by_address):
        assert SECRET not in result.output
        assert "••••" in result.stdout
    assert await instance.effects() == before


async def test_a_play_is_shown_as_it_would_reach_her(instance: Instance) -> None:
    """The template of her language and reason, at any target."""
    before = await instance.effects()
    result = await instance.tried(
        "sandbox", "--customer", instance.customer_id, "--play", "reassurance", "--json"
    )
    shown = told(result)
    assert shown["template"].startswith("REASSURE")
    assert EMAIL in shown["requests"][-1]["body"]
    assert shown["sent"] is False
    assert await instance.effects() == before


@pytest.mark.parametrize(
    ("customer", "token", "words"),
    [
        pytest.param("email:nobody@example.com", "NPS_ALL", "no decision about her", id="unknown"),
        pytest.param(f"email:{EMAIL}", "NPS_LOOK", "lacks the scope 'erase'", id="may only look"),
        pytest.param("camille", "NPS_ALL", "her id, or external_id", id="no name of anybody"),
    ],
)
async def test_whom_one_may_not_see_is_not_shown(
    instance: Instance, customer: str, token: str, words: str
) -> None:
    """In words with the fix, and exit code 2."""
    result = await instance.tried("adobe", "--customer", customer, "--push", token=ENVIRON[token])
    assert result.exit_code == 2
    assert words in result.stderr
    assert EMAIL not in result.output


async def test_to_a_target_that_reaches_people_nothing_is_sent(instance: Instance) -> None:
    """Only `sandbox: true` says that nobody is reached: another target stays silent."""
    before = await instance.effects()
    result = await instance.tried(
        "adobe", "--customer", instance.customer_id, "--push", "--send", "--json"
    )
    assert result.exit_code == 2
    assert "adobe is no target with `sandbox: true`: only shown, not sent" in result.output
    assert await instance.effects() == before


async def test_to_a_sandbox_it_is_really_sent_once_however_often(instance: Instance) -> None:
    """The verdict is that of the ledger; the key is the same each time, so the effect is one."""
    words = ("sandbox", "--customer", instance.customer_id)
    push = await instance.tried(*words, "--push", "--send", "--json")
    acts = [await instance.tried(*words, "--play", "reassurance", "--send", "--json") for _ in "12"]
    assert told(push)["outcome"] in ("ok", "accepted")
    assert [one.exit_code for one in (push, *acts)] == [0, 0, 0]
    received = await instance.sent()
    assert received["counters"]["main"]["actions"] == 1
    assert EMAIL in str(received)
