"""What every test may ask for: a real PostgreSQL and, where the bus matters, a real Kafka."""

import asyncio

import uvloop

pytest_plugins = [
    "tests.builders.workers",
    "tests.builders.postgres",
    "tests.builders.kafka",
    "tests.builders.buses",
    "tests.builders.emptied",
    "tests.builders.segmenting",
]


def pytest_configure() -> None:
    """Run on the loop that every process of the product runs on."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
