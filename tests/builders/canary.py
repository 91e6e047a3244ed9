"""A canary person, told of by every way there is, and the instance that she is told to.

The whole product in one process on either bus, with a platform and a survey tool on this
machine; her words are such that no part of them can appear by chance.
"""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from services.ingest.examples import Answer, SignedRequest, shop
from services.ingest.keep.people import people
from services.ingest.keep.spool_table import Entry, SpoolTable
from shared.bus.port import Message
from shared.database import connect
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import CustomerUpdated
from shared.events.vocabulary import Value
from shared.identifiers import AS_SAID
from shared.times import utc_now
from tests.builders.canary_bus import CanaryBus
from tests.builders.postgres import run_sql
from tests.builders.processes import ROOT, Process
from tests.builders.scanning import found
from tests.builders.sink import Sink
from tests.builders.survey_platform import TOKEN, SurveyPlatform
from tests.builders.waiting import eventually

EMAIL, OTHER_EMAIL = "zazou.serinette@example.com", "zazoulina@example.org"
EXTERNAL, PHONE = "ext-73-zazou", "+33698765432"
#: Written so that no part of it can appear by chance; one for each kind of thing that is hers.
WORDS = ("zazou", "serinette", "plumage-hors-de-prix", "foyer-jaune", "98765432")
#: Where she must be found before she is forgotten: else the search would prove nothing.
PLACES = (
    "dispatcher.pushes.wanted",
    "dispatcher.recipients.group_key",
    "dispatcher.recipients.state",
    "ingest.bodies.body",
    "ingest.quarantine.body",
    "segmenter.decisions.payload",
    "segmenter.facts.body",
    "segmenter.identifiers.value",
    "segmenter.profiles.state",
)
SERVICES = ("ingest", "segmenter", "dispatcher")
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1zZWNyZXQtb2Y="
ROUTE_KEY = "route-secret-of-the-tests"
OPERATOR = "token-of-the-tests"
STORY_BEGAN = datetime.now(UTC) - timedelta(minutes=10)


def sources_of(platform: SurveyPlatform) -> Callable[[dict[str, Any]], None]:
    """The shipped sources, whose shop has a history in files, and a tool that tells ids only."""

    def edit(content: dict[str, Any]) -> None:
        content["sources"]["shop"]["columns"] = {
            "answers": {"score": "score", "comment": "comment"}
        }
        content["sources"]["thin"] = {
            "preset": "surveymonkey",
            "secrets": ["env:NPS_SECRET_SHOP"],
            "answers": {"score": "question:144820001"},
            "fetch": {
                "base": platform.base,
                "secret": "env:NPS_TOKEN_THIN",
                "allow_http": True,
                "allow_private": True,
            },
            "reconcile": {"every_s": 3600, "surveys": ["S1"]},
        }

    return edit


class Instance:
    """The whole product in one process, and all that is told to it."""

    def __init__(
        self,
        database: str,
        bus: CanaryBus,
        folder: Path,
        config: Path,
        sink: Sink,
        platform: SurveyPlatform,
    ) -> None:
        self.database = database
        self.bus = bus
        self.sink = sink
        self.platform = platform
        self.process = Process(
            "services",
            {
                **bus.environ,
                "NPS_DATABASE_URL": database,
                "NPS_CONFIG": str(config),
                "NPS_ROUTE_SECRET": ROUTE_KEY,
                "NPS_TOKEN_OPERATOR": OPERATOR,
                "NPS_TOKEN_THIN": TOKEN,
                "NPS_SANDBOX_URL": sink.url,
                "NPS_SECRET_SHOP": SECRET,
                "NPS_SECRET_TYPEFORM_NPS": SECRET,
                "NPS_SECRET_FORMBRICKS_NPS": SECRET,
            },
            folder / "services.log",
        )
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        self.client = httpx.AsyncClient(base_url=self.process.url, headers=headers, timeout=15)

    async def close(self) -> None:
        """Stop it."""
        await self.client.aclose()
        await self.process.stop()

    async def post(self, request: SignedRequest) -> None:
        """Post one signed web-hook, which must be accepted."""
        answer = await self.client.post(request.path, headers=request.headers, content=request.body)
        assert answer.status_code == 202, answer.text

    async def api(self, path: str, **content: Any) -> dict[str, Any]:
        """Ask for something to be done."""
        answer = await self.client.post(path, json=content)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def customers(self, **known: str) -> list[str]:
        """Give the ids of whoever is known by an identifier."""
        told = await self.api("/v1/customers/search", **known)
        return [one["customer_id"] for one in told["customers"]]

    async def deliveries(self, customer_id: str) -> list[dict[str, Any]]:
        """List what was planned for somebody."""
        answer = await self.client.get("/v1/deliveries", params={"customer_id": customer_id})
        listed: list[dict[str, Any]] = answer.json()["deliveries"]
        return listed

    async def left(self, *schemas: str) -> dict[str, set[str]]:
        """Search every column of every table."""
        return await found(self.database, schemas or SERVICES, WORDS)

    async def caught_up(self) -> None:
        """Wait until all that was told before is handled: in order, up to a new person."""
        email = f"{uuid.uuid4().hex[:12]}@example.net"
        await self.post(shop(Answer(uuid.uuid4().hex, score=10, email=email), secret=SECRET))

        async def arrived() -> bool:
            return bool(self.sink.profile_of(email))

        await eventually(arrived, what="a later answer at the platform")

    async def publish_unreadable(self) -> None:
        """Put a record on the bus that no consumer can read, and that names her."""
        broken = b'{"told": "' + EMAIL.encode() + b' said plumage-hors-de-prix"'
        await self.bus.publish(Message(FEEDBACK, "some-key", broken))

    async def leave_in_the_spool(self) -> None:
        """Leave an event in the spool, as an installation does that came from Kafka."""
        email = AS_SAID.email(EMAIL)
        assert email is not None
        said: dict[str, Value] = {"city": "plumage-hors-de-prix"}
        data = CustomerUpdated(identifiers=(email,), attributes=said, occurred_at=STORY_BEGAN)
        event = Event(uuid.uuid5(uuid.NAMESPACE_DNS, "spooled"), "crm", STORY_BEGAN, data)
        engine = connect(self.database, "ingest", connections=1)
        entry = Entry(
            event.id,
            people(ROUTE_KEY.encode(), (email,)),
            utc_now(),
            Message(FEEDBACK, "a-route", encode(event)),
        )
        await SpoolTable(engine).add([entry], lambda _size: 1)
        await engine.dispose()

    async def reconcile(self) -> None:
        """Let the tool's answers be read again, and wait until they were."""
        before = len(self.platform.asked)
        await run_sql(
            self.database,
            "UPDATE ingest.fetch_sources SET reconcile_at = now() - interval '1 min'",
        )

        async def asked() -> bool:
            return len(self.platform.asked) > before

        await eventually(asked, what="a reading of the tool's answers")

    async def forget(self) -> dict[str, Any]:
        """Erase her by the command, which waits until it is done; gives its answer."""
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "customer", "erase", "-"),
            *("--wait", "--json", "--url", self.process.url),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "NPS_TOKEN": OPERATOR},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await running.communicate(f"email:{EMAIL}\n".encode())
        assert running.returncode == 0, errors.decode()
        told: dict[str, Any] = json.loads(output)
        return told


def answers() -> list[SignedRequest]:
    """Her web-hooks: two answers, and one that the mapping cannot read."""
    hidden = {"first_name": "Zazoulina", "last_name": "Serinette", "consent_email": "yes"}
    said = Answer(
        "zz-1",
        score=2,
        email=EMAIL,
        external_id=EXTERNAL,
        comment="plumage-hors-de-prix",
        answered_at=STORY_BEGAN,
        hidden=hidden,
    )
    once = STORY_BEGAN - timedelta(days=300)
    again = Answer("zz-2", score=9, email=EMAIL, answered_at=once, hidden=hidden)
    wrong = Answer("zz-3", score="eleven", email=EMAIL, answered_at=STORY_BEGAN, hidden=hidden)
    return [shop(one, secret=SECRET) for one in (said, again, wrong)]


def events() -> list[dict[str, Any]]:
    """What other systems tell of her: by her phone first, then that it is hers."""
    told: list[tuple[str, dict[str, Any]]] = [
        (
            "customer.updated",
            {"identifiers": {"phone": PHONE}, "attributes": {"city": "Serinette"}},
        ),
        (
            "customer.updated",
            {
                "identifiers": {"phone": PHONE, "email": EMAIL},
                "attributes": {"group": "foyer-jaune"},
            },
        ),
        ("message.opened", {"identifiers": {"email": EMAIL}, "channel": "email"}),
        ("case.opened", {"case_id": "desk/zazou-1", "identifiers": {"email": EMAIL}}),
    ]
    return [
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "source": "crm",
            "type": event_type,
            "time": (STORY_BEGAN + timedelta(seconds=number)).isoformat(),
            "data": data,
        }
        for number, (event_type, data) in enumerate(told)
    ]


def history() -> list[dict[str, Any]]:
    """Two rows of a file: an answer of hers years ago, and one under an older address."""
    plain = {"survey": "relational", "answered_at": "2024-03-12T09:00:00Z"}
    return [
        {**plain, "response_id": "old-1", "score": 9, "email": EMAIL},
        {
            **plain,
            "response_id": "old-2",
            "score": 3,
            "email": OTHER_EMAIL,
            "external_id": EXTERNAL,
            "comment": "plumage-hors-de-prix",
        },
    ]


async def tell_all(instance: Instance) -> dict[str, Any]:
    """Tell everything of her by every way there is; gives what became of the file's rows."""
    instance.platform.add(
        "R1",
        2,
        custom_variables={"email": EMAIL},
        custom_value=EXTERNAL,
        date_modified=(STORY_BEGAN - timedelta(hours=1)).isoformat(),
    )
    for request in answers():
        await instance.post(request)
    for event in events():
        answer = await instance.client.post("/v1/events", json=event)
        assert answer.status_code == 202, answer.text
    rows = history()
    digest = sha256(json.dumps(rows).encode()).hexdigest()
    begun = await instance.api(
        "/v1/imports", source="shop", sha256=digest, provenance="own", rows_total=len(rows)
    )
    imported = await instance.api(f"/v1/imports/{begun['id']}/rows", **{"from": 0}, rows=rows)
    await instance.reconcile()
    return imported
