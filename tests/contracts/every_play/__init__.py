"""A journey for every play of the shipped playbook: who is reached by what, and who is not."""

from tests.builders.stories import Journey
from tests.contracts.every_play import alerts, asks, questions, replies

#: By the name of the play.
JOURNEYS: dict[str, Journey] = {
    journey.play: journey
    for journey in (
        *alerts.JOURNEYS,
        *replies.JOURNEYS,
        *asks.JOURNEYS,
        *questions.JOURNEYS,
    )
}
