"""What a service needs to keep its audit record: the trail, its routes, and what records a start.

In: the service's context, engine and the names of its configuration files. Call it when all
secrets were asked for, at the end of a `build`: their fingerprints are taken here.
"""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.actions import Service
from shared.audit.api import build_audit_router
from shared.audit.start import in_use, recording
from shared.audit.trail import Trail
from shared.hosting import Task
from shared.process import Context


@dataclass(frozen=True, slots=True)
class Auditing:
    """The record of a service; `run` is a task of its part."""

    trail: Trail
    router: APIRouter
    run: Task


def auditing(
    context: Context, engine: AsyncEngine, service: Service, files: tuple[str, ...]
) -> Auditing:
    """Make the record of a service; nothing connects yet."""
    trail = Trail(service, context.route_key())
    used = in_use(trail, context.settings.config, files, context.secrets)
    return Auditing(
        trail=trail,
        router=build_audit_router(engine, context.access, trail),
        run=recording(engine, trail, used, context.clock),
    )
