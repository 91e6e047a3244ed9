"""What every test may ask for: a real PostgreSQL and, where the bus matters, a real Kafka."""

pytest_plugins = [
    "tests.builders.workers",
    "tests.builders.postgres",
    "tests.builders.kafka",
    "tests.builders.buses",
    "tests.builders.emptied",
    "tests.builders.segmenting",
]
