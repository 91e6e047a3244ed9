"""Room for connections: as many as asked where the system lets us, else as many as fit."""

import resource

import pytest

from shared.http.room import RESERVED, room_for

NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "fit", "set_to"),
    [
        pytest.param(20_000, 20_000, 4096, None, id="enough already"),
        pytest.param(1024, 20_000, 4096, 4096 + RESERVED, id="raised as far as needed"),
        pytest.param(1024, NO_LIMIT, 4096, 4096 + RESERVED, id="raised where nothing forbids it"),
        pytest.param(1024, 2048, 2048 - RESERVED, 2048, id="raised as far as allowed"),
        pytest.param(256, 256, 128, 256, id="very few"),
        pytest.param(NO_LIMIT, NO_LIMIT, 4096, None, id="no limit"),
    ],
)
def test_descriptors_make_room_for_connections(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, fit: int, set_to: int | None
) -> None:
    """Something is always left for the database, the bus and calls."""
    changes: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: changes.append(limits))

    assert room_for(4096) == fit
    assert changes == ([] if set_to is None else [(set_to, hard)])
