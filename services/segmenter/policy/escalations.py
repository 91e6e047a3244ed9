"""Section `escalations`: what somebody must see at once, whatever the score."""

from typing import Annotated

from pydantic import AfterValidator, Field

from services.segmenter.policy.themes import Words
from services.segmenter.policy.words import Days, Name, once
from shared.settings import Strict


class Topic(Strict):
    """One topic and the phrases that raise it, written as those of a theme (no `~`)."""

    name: Name
    phrases: Annotated[tuple[Words, ...], Field(min_length=1)]


def _topics(topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
    once("escalation", [topic.name for topic in topics])
    return topics


class Escalations(Strict):
    """What beats the band.

    `complaint_hold_days`: how long a promoter who complained is asked for nothing; 0: no hold.
    """

    complaint_hold_days: Days = 30
    topics: Annotated[tuple[Topic, ...], AfterValidator(_topics)] = ()
