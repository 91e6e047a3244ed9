"""What every test may ask for: a real PostgreSQL and, where the bus matters, a real Kafka."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.builders.workers",
    "tests.builders.postgres",
    "tests.builders.tools",
    "tests.builders.kafka",
    "tests.builders.promtool",
    "tests.builders.buses",
    "tests.builders.emptied",
    "tests.builders.segmenting",
    "tests.builders.charts",
    "tests.builders.definitions",
    "tests.builders.apiserver",
]
#: Builds an API server first: `make apiserver` names it, a run of everything leaves it out.
collect_ignore = ["apiserver"]


def pytest_configure() -> None:
    """Let no example fail by the time it took: that says something of the machine only."""
    settings.register_profile(
        "patient",
        settings(),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("patient")
