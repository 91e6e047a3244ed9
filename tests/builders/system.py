"""The whole product as separate processes on a real Kafka and PostgreSQL, with a sink behind it.

Each service has its own login role and schema; the configuration is the shipped example with the
sink as platform, so that the journeys try what a newcomer gets.
"""

import asyncio
import re
import secrets
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.ingest.examples import Answer, SignedRequest, shop
from shared.bus.kafka import KafkaBus
from shared.database import SCHEMAS, migrate, provision, role_of
from tests.builders.postgres import in_database, run_sql
from tests.builders.processes import ROOT, Process
from tests.builders.sink import Sink
from tests.builders.waiting import eventually

SHIPPED = ROOT / "deploy" / "config"
Edit = Callable[[dict[str, Any]], None]
EnvironOf = Callable[[str], Mapping[str, str]]


def _nothing(_service: str) -> Mapping[str, str]:
    """Tell a service nothing more."""
    return {}


def write_config(folder: Path, **edits: Edit) -> Path:
    """Copy the shipped files into a folder, each changed by the edit of its name."""
    folder.mkdir(parents=True)
    for file in SHIPPED.glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if edit := edits.get(file.stem):
            edit(content)
        (folder / file.name).write_text(yaml.safe_dump(content, allow_unicode=True))
    return folder


def to_the_sink(targets: dict[str, Any]) -> None:
    """Keep the sandbox targets, and add `desk`: a second account for internal alerts."""
    known = targets["targets"]
    known["desk"] = {
        **known["sandbox"],
        "vars": {"url": "env:NPS_SANDBOX_URL", "account": "desk"},
        "push_profile": False,
    }


def alerts_to_the_desk(playbook: dict[str, Any]) -> None:
    """Send internal alerts to the second account."""
    for play in playbook["plays"]:
        if play["do"]["class"] == "internal":
            play["do"]["target"] = "desk"


class System:
    """Three services (replicas of each as asked) and the ways to talk to them."""

    def __init__(
        self,
        folder: Path,
        database: str,
        kafka: str,
        sink: Sink,
        config: Path,
        prefix: str,
        environ: Mapping[str, str],
        environ_of: EnvironOf,
    ) -> None:
        self.folder = folder
        self.database = database
        self.kafka = kafka
        self.sink = sink
        self.prefix = prefix
        self.token = secrets.token_urlsafe(24)
        self.shop_secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
        self._environ = {
            "NPS_BUS": "kafka",
            "NPS_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "NPS_KAFKA_TOPIC_PREFIX": prefix,
            "NPS_KAFKA_PARTITIONS": "4",
            "NPS_CONFIG": str(config),
            "NPS_ROUTE_SECRET": "route-secret-of-the-tests",
            "NPS_TOKEN_OPERATOR": self.token,
            "NPS_SANDBOX_URL": sink.url,
            "NPS_SECRET_SHOP": self.shop_secret,
            "NPS_SECRET_TYPEFORM_NPS": self.shop_secret,
            "NPS_SECRET_FORMBRICKS_NPS": self.shop_secret,
            **environ,
        }
        self._environ_of = environ_of
        self.processes: list[Process] = []
        self._make_services()
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self.token}"}, timeout=15
        )

    def _make_services(self) -> None:
        self.ingest = self.process("services.ingest")
        self.segmenter = self.process("services.segmenter")
        self.dispatcher = self.process("services.dispatcher")

    def move_topics(self, prefix: str, partitions: int) -> None:
        """Replace the services, which were stopped, by some on topics of their own (not made)."""
        self.prefix = prefix
        self._environ |= {
            "NPS_KAFKA_TOPIC_PREFIX": prefix,
            "NPS_KAFKA_PARTITIONS": str(partitions),
        }
        self._make_services()

    def process(
        self, module: str, *arguments: str, service: str = "", config: Path | None = None
    ) -> Process:
        """Make one more process of a service (not started), logged in as its own role.

        `config`: a folder of its own instead of the system's.
        """
        name = service or module.rpartition(".")[2]
        log = self.folder / f"{name}-{len(self.processes)}.log"
        url = make_url(self.database).set(username=role_of(name), password="test")
        environ = {
            **self._environ,
            "NPS_DATABASE_URL": url.render_as_string(hide_password=False),
            **({"NPS_CONFIG": str(config)} if config else {}),
            **self._environ_of(name),
        }
        process = Process(module, environ, log, *arguments)
        self.processes.append(process)
        return process

    async def prepare(self) -> None:
        """Make roles, tables and topics."""
        await provision(self.database, dict.fromkeys(SCHEMAS, "test"))
        for schema in SCHEMAS:
            await migrate(self.database, schema)
        await self.make_topics()

    async def make_topics(self) -> None:
        """Make the topics that are missing."""
        bus = KafkaBus(
            self.kafka, client_id="tests", topic_prefix=self.prefix, partitions=4, replication=1
        )
        await bus.create_topics()
        await bus.close()

    async def start(self) -> None:
        """Start one process of each service and wait until all are ready."""
        services = (self.ingest, self.segmenter, self.dispatcher)
        for process in services:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in services))

    async def stop(self) -> None:
        """Stop what runs, all at once."""
        await asyncio.gather(*(process.stop() for process in self.processes))

    async def caught_up(self) -> None:
        """Wait until segmenter and dispatcher have handled all there is, as their metrics say."""

        async def check() -> bool:
            for process in (self.segmenter, self.dispatcher):
                page = (await self._client.get(f"{process.url}/metrics")).text.splitlines()
                lags = [line for line in page if re.match(r"nps_\w+_lag_seconds{", line)]
                assert lags, page
                assert {line.rpartition(" ")[2] for line in lags} == {"0.0"}, lags
            return True

        await eventually(check, within=120, what="no lag")

    async def handled(self, answers: int, customers: int) -> None:
        """Wait until so many answers are facts, so many profiles were pushed, and nothing waits."""

        async def check() -> bool:
            ((facts,),) = await self.rows(
                "SELECT count(*) FROM segmenter.facts WHERE kind = 'survey.response.received'"
            )
            assert facts == answers, f"{facts} facts of {answers}"
            pushed = len(self.sink.profiles)
            assert pushed == customers, f"{pushed} profiles of {customers}"
            return True

        await eventually(check, within=120, what="every answer decided, every profile pushed")
        await self.caught_up()

    async def close(self) -> None:
        """Stop what runs, for good."""
        await self._client.aclose()
        await self.stop()

    async def post(self, request: SignedRequest, *, to: Process | None = None) -> httpx.Response:
        """Post one signed webhook."""
        return await self._client.post(
            f"{(to or self.ingest).url}{request.path}",
            headers=request.headers,
            content=request.body,
        )

    async def answer(self, answer: Answer) -> httpx.Response:
        """Post one answer through the source `shop`; it must be accepted."""
        response = await self.post(shop(answer, secret=self.shop_secret))
        assert response.status_code == 202, response.text
        return response

    async def operate(self, process: Process, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask a service for something as the operator; it must be done."""
        response = await self._client.post(f"{process.url}{path}", json=body)
        assert response.is_success, response.text
        done: dict[str, Any] = response.json()
        return done

    async def tell(self, event_type: str, data: dict[str, Any], **attributes: Any) -> None:
        """Post one CloudEvent as an outside system would."""
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "crm",
            "type": event_type,
            "time": datetime.now(UTC).isoformat(),
            "data": data,
            **attributes,
        }
        response = await self._client.post(f"{self.ingest.url}/v1/events", json=event)
        assert response.status_code == 202, response.text

    async def customers(self, email: str) -> list[dict[str, Any]]:
        """Search the customers of one address."""
        response = await self._client.post(
            f"{self.segmenter.url}/v1/customers/search", json={"email": email}
        )
        found: list[dict[str, Any]] = response.raise_for_status().json()["customers"]
        return found

    async def customer(self, email: str) -> dict[str, Any]:
        """Wait for the customer of one address and give all that is told of her."""

        async def one() -> dict[str, Any] | None:
            found = await self.customers(email)
            return found[0] if len(found) == 1 else None

        found = await eventually(one, what=f"one customer of {email}")
        assert found is not None
        response = await self._client.get(
            f"{self.segmenter.url}/v1/customers/{found['customer_id']}"
        )
        told: dict[str, Any] = response.raise_for_status().json()
        return told

    async def deliveries(self, email: str, **filters: str | int) -> list[dict[str, Any]]:
        """List the deliveries of one address."""
        found = await self.customers(email)
        if len(found) != 1:
            return []
        response = await self._client.get(
            f"{self.dispatcher.url}/v1/deliveries",
            params={"customer_id": found[0]["customer_id"], "limit": 500, **filters},
        )
        listed: list[dict[str, Any]] = response.raise_for_status().json()["deliveries"]
        return listed

    async def settled(self, email: str, count: int, **filters: str) -> list[dict[str, Any]]:
        """Wait until an address has `count` deliveries, none of which is still on its way."""

        async def check() -> list[dict[str, Any]] | None:
            found = await self.deliveries(email, **filters)
            moving = [d for d in found if d["state"] in ("planned", "waiting", "sending")]
            assert len(found) >= count, f"{len(found)} of {count}"
            assert not moving, moving
            return found

        found = await eventually(check, within=60, what=f"{count} settled deliveries")
        assert found is not None
        assert len(found) == count, [(d["play"], d["state"], d["reason"]) for d in found]
        return found

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Read from the database as superuser: what no API tells."""
        engine = create_async_engine(self.database, poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return (await connection.execute(text(statement), values)).all()
        finally:
            await engine.dispose()

    def logs(self) -> str:
        """Give everything that all processes have logged."""
        return "".join(process.log.read_text(errors="replace") for process in self.processes)


@asynccontextmanager
async def open_system(
    folder: Path,
    server: str,
    kafka: str,
    sink: Sink,
    *,
    playbook: Edit = alerts_to_the_desk,
    policy: Edit | None = None,
    sources: Edit | None = None,
    targets: Edit = to_the_sink,
    environ: Mapping[str, str] | None = None,
    environ_of: EnvironOf = _nothing,
) -> AsyncIterator[System]:
    """Prepare a system of its own (nothing is started), and stop and drop it afterwards.

    `environ_of` tells what the processes of a service are told beside the rest.
    """
    name = f"system_{uuid.uuid4().hex[:12]}"
    await run_sql(server, f'CREATE DATABASE "{name}"')
    edits: dict[str, Edit] = {"targets": targets, "playbook": playbook}
    if policy is not None:
        edits["policy"] = policy
    if sources is not None:
        edits["sources"] = sources
    config = write_config(folder / "config", **edits)
    url = in_database(server, name)
    system = System(folder, url, kafka, sink, config, f"{name}.", environ or {}, environ_of)
    try:
        await system.prepare()
        yield system
    finally:
        await system.close()
        await run_sql(server, f'DROP DATABASE "{name}" WITH (FORCE)')
