"""From an empty database and broker to a working instance by the commands of the README alone."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from services.ingest.examples import Answer, shop
from tests.builders.postgres import bare_database
from tests.builders.processes import ROOT, Process
from tests.builders.sink import Sink
from tests.builders.system import to_the_sink, write_config
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cy1zZWNyZXQtb2Y="


@pytest.fixture
async def environ(
    tmp_path: Path, server: str, kafka: str, sink: Sink
) -> AsyncIterator[Mapping[str, str]]:
    """What the README has an operator export, for a database nobody has prepared."""
    config = write_config(tmp_path / "config", targets=to_the_sink)
    async with bare_database(server) as url:
        yield {
            "NPS_DATABASE_URL": url,
            "NPS_BUS": "kafka",
            "NPS_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "NPS_KAFKA_TOPIC_PREFIX": f"hosted-{uuid.uuid4().hex[:8]}.",
            "NPS_KAFKA_PARTITIONS": "2",
            "NPS_CONFIG": str(config),
            "NPS_ROUTE_SECRET": "route-secret-of-the-tests",
            "NPS_TOKEN_OPERATOR": "token-of-the-tests",
            "NPS_SANDBOX_URL": sink.url,
            "NPS_SECRET_SHOP": SECRET,
            "NPS_SECRET_TYPEFORM_NPS": SECRET,
            "NPS_SECRET_FORMBRICKS_NPS": SECRET,
        }


def command(name: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python -m services <name>` as the README does."""
    return subprocess.run(
        [sys.executable, "-m", "services", name],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_commands_of_the_readme_prepare_an_instance_that_works_in_one_process(
    tmp_path: Path, environ: Mapping[str, str], sink: Sink
) -> None:
    """Started too early it says which command is missing; each command may be repeated."""
    early = Process("services", environ, tmp_path / "early.log")
    early.spawn()
    refused = await early.ended()
    for name in ("provision", "migrate", "topics", "provision", "migrate", "topics"):
        done = await asyncio.to_thread(command, name, environ)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    process = Process("services", environ, tmp_path / "services.log")
    await process.start()
    email = f"{uuid.uuid4().hex}@example.com"
    request = shop(Answer(response_id=uuid.uuid4().hex, score=4, email=email), secret=SECRET)
    try:
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{process.url}{request.path}", headers=request.headers, content=request.body
            )

        async def arrived() -> bool:
            return len(sink.actions_for(email)) == 2

        await eventually(arrived, what="alert and reassurance")
    finally:
        code = await process.stop()

    assert refused == 2
    assert "Traceback" not in (tmp_path / "early.log").read_text()
    assert answer.status_code == 202
    assert sink.profile_of(email)["nps_segment"] == "detractor"
    assert code == 0
