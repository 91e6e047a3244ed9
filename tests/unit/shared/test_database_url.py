"""The database's address, and what is told when the database refuses us."""

import pytest

from shared.database import parsed, refused_by_database
from shared.errors import ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://nps:secret@db:5432/nps",
        "postgresql://nps:secret@db:5432/nps",
        "postgres://nps:secret@db:5432/nps",
    ],
)
def test_every_usual_form_of_the_address_means_our_driver(url: str) -> None:
    """Hosters print it without a driver."""
    found = parsed(url)

    assert found.drivername == "postgresql+asyncpg"
    assert (found.host, found.database, found.password) == ("db", "nps", "secret")


@pytest.mark.parametrize("url", ["", "nps", "mysql://nps:secret@db/nps", "db:5432/nps:secret"])
def test_what_is_no_address_is_told_with_the_form_and_without_the_password(url: str) -> None:
    """It names the setting and shows one that is right."""
    with pytest.raises(ConfigError, match=r"NPS_DATABASE_URL .*postgresql\+asyncpg://") as error:
        parsed(url)

    assert "secret" not in str(error.value)


def test_an_error_of_ours_is_no_refusal_of_the_database() -> None:
    """A bug stays a bug."""
    assert refused_by_database(KeyError("x")) is None
