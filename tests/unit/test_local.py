"""What an instance without settings says of itself."""

from pathlib import Path

import pytest

from services.local import demo_command


@pytest.mark.parametrize(
    ("port", "data", "command"),
    [
        pytest.param(8080, "data", "make demo", id="as it comes"),
        pytest.param(9090, "data", "make PORT=9090 demo", id="another port"),
        pytest.param(8080, "my data", "make DATA='my data' demo", id="another folder"),
        pytest.param(9090, "/srv/nps", "make PORT=9090 DATA=/srv/nps demo", id="both"),
    ],
)
def test_the_demo_is_told_where_the_instance_is(port: int, data: str, command: str) -> None:
    """The line that the start prints can be pasted, whatever port and folder were chosen."""
    assert demo_command(port, Path(data)) == command
