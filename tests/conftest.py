"""What every test may ask for: a real PostgreSQL and, where the bus matters, a real Kafka."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop

pytest_plugins = [
    "tests.builders.workers",
    "tests.builders.postgres",
    "tests.builders.kafka",
    "tests.builders.buses",
]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that every process of the product runs on."""
    return {"uvloop": uvloop.new_event_loop}
