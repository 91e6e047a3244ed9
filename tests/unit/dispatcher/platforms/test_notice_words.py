"""Digests and heartbeats in words: counts first, the worst first, no more than may be said."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.dispatcher.platforms.notice_words import (
    MOST_LINES,
    Gathered,
    Pulse,
    digest,
    heartbeat,
)
from services.dispatcher.platforms.words import Voice
from shared.events.vocabulary import Value

AT = datetime(2026, 3, 12, 9, tzinfo=UTC)
FRENCH = Voice("fr", "Europe/Paris", "https://nps.example.com/c/")


def one(number: int, **said: Value) -> Gathered:
    """An alert that was gathered."""
    return Gathered(UUID(int=number), said)


def test_a_digest_counts_and_lists_the_worst_first() -> None:
    """Who reads only the first lines has read what matters."""
    title, text = digest(
        "internal_alert",
        AT,
        [
            one(1, nps_score=6, nps_segment="detractor", nps_theme="price"),
            one(2, nps_score=0, nps_segment="detractor", nps_theme="delivery"),
            one(3, nps_score=7, nps_segment="passive", nps_theme="price"),
        ],
        FRENCH,
    )

    assert title == "3 de plus : alerte interne, du 12 mars à 10:00 au 12 mars à 11:00"
    assert text.splitlines() == [
        "Segments : détracteur 2, neutre 1",
        "Motifs : prix 2, livraison 1",
        f"0/10, détracteur, livraison : https://nps.example.com/c/{UUID(int=2)}",
        f"6/10, détracteur, prix : https://nps.example.com/c/{UUID(int=1)}",
        f"7/10, neutre, prix : https://nps.example.com/c/{UUID(int=3)}",
    ]


def test_a_long_digest_counts_what_it_does_not_list() -> None:
    """A wall of lines is not read; the rest is in the ledger."""
    _, text = digest("alert", AT, [one(n, nps_score=n % 7) for n in range(50)], Voice())

    assert len(text.splitlines()) == MOST_LINES + 1
    assert text.splitlines()[-1] == f"… and {50 - MOST_LINES} more"


def test_a_digest_says_no_more_than_its_target_may() -> None:
    """Without an allow-list there are ids and nothing else."""
    _, text = digest("alert", AT, [one(1)], Voice())

    assert text == str(UUID(int=1))


@pytest.mark.parametrize(
    ("pulse", "voice", "title", "text"),
    [
        pytest.param(
            Pulse(timedelta(days=1), 0, 132, 0, None),
            Voice(),
            "All running",
            "Last 24 h: alerts: none, answers: 132",
            id="nobody was alarmed",
        ),
        pytest.param(
            Pulse(timedelta(days=1), 3, 132, 2, "nps.feedback/0 is at 08:00"),
            FRENCH,
            "Quelque chose ne va pas",
            "Dernières 24 h : alertes : 3, réponses : 132\n"
            "Données en retard : nps.feedback/0 is at 08:00\n"
            "À traiter par une personne : 2",
            id="something is wrong",
        ),
    ],
)
def test_a_heartbeat_says_whether_all_is_running(
    pulse: Pulse, voice: Voice, title: str, text: str
) -> None:
    """A line that is always there, so that its absence is noticed."""
    assert heartbeat(pulse, voice) == (title, text)
