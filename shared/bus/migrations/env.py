"""Alembic's entry for this schema; see `shared.database.migrate`."""

from shared.database import run_migrations

run_migrations()
