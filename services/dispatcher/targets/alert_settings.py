"""How a target's readers want to be alerted: a part of `targets.yaml`. Pure."""

from datetime import time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from pydantic import AfterValidator, Field, model_validator

from services.dispatcher.platforms.wordings import Language
from services.dispatcher.platforms.words import Voice
from services.dispatcher.playbook.durations import ClockTime, Duration
from shared.settings import Strict


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone: for example Europe/Paris") from None
    return name


def _page(address: str) -> str:
    """Accept what her id can be put behind, and where nothing else of her could be."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    plain = url.scheme == "https" and url.host and not url.userinfo and not url.query
    if not plain or "#" in address or "?" in address or not address.endswith("/"):
        raise ValueError("https://…/ without user, query or fragment; her id is put behind it")
    return address


def _figures(address: str) -> str:
    """Accept what the parameters of a question can be put behind."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise ValueError("not a URL") from None
    plain = url.scheme == "https" and url.host and not url.userinfo
    if not plain or "#" in address or "?" in address:
        raise ValueError("https://… without user, query or fragment; the question is put behind it")
    return address


class Night(Strict):
    """When the readers are left alone, by their own clock."""

    start: ClockTime = time(20)
    end: ClockTime = time(8)

    @model_validator(mode="after")
    def _differ(self) -> "Night":
        if self.start == self.end:
            raise ValueError("start and end must differ; `night: null` for none")
        return self


class AlertSettings(Strict):
    """For targets that colleagues read: chats and tickets."""

    language: Language = Field("en", description="of titles and texts")
    zone: Annotated[str, AfterValidator(_known)] = Field("UTC", description="the readers' clock")
    link_base: Annotated[str, AfterValidator(_page)] | None = Field(
        None, description="address of a customer's page; her id is put behind it"
    )
    figures_link: Annotated[str, AfterValidator(_figures)] | None = Field(
        None, description="address where figures are read; the question is put behind it"
    )
    digest_above: int | None = Field(
        10, ge=1, description="an hour and action; what is more waits for one digest; null: never"
    )
    night: Night | None = Field(
        Night(), description="alerts wait for its end, escalations do not; null: none"
    )
    heartbeat: Duration | None = Field(
        None, description="a line that all is running, after so long (24 h)"
    )
    heartbeat_at: ClockTime = Field(time(9), description="at this time of day")

    @model_validator(mode="after")
    def _whole_days(self) -> "AlertSettings":
        if self.heartbeat is not None and (
            self.heartbeat < timedelta(days=1) or self.heartbeat % timedelta(days=1)
        ):
            raise ValueError("heartbeat: whole days, as 24 h or 7 d")
        return self


def voice_of(alerts: AlertSettings | None) -> Voice:
    """Return how a target's readers like what they read."""
    if alerts is None:
        return Voice()
    return Voice(alerts.language, alerts.zone, alerts.link_base, alerts.figures_link)
