"""Where the embedded PostgreSQL lives: odd paths work, wrong ones are refused with the fix."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from shared.embedded import EmbeddedPostgres
from shared.embedded.account import Account, child_environment, choose
from shared.embedded.binaries import installed, reachable
from shared.errors import ConfigError
from tests.builders.postgres import permissions, read_sql


@pytest.fixture
def parent(reachable_folder: Path) -> Path:
    """A folder of this test alone that the server's account can enter."""
    folder = reachable_folder / uuid.uuid4().hex[:12]
    folder.mkdir()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def closed(parent: Path) -> Iterator[Path]:
    """A folder that the server's account cannot enter: root's private one, or nobody's at all."""
    folder = parent / "closed"
    folder.mkdir()
    folder.chmod(0o700 if os.geteuid() == 0 else 0o000)
    yield folder
    folder.chmod(0o700)


def modes(folder: Path) -> list[tuple[int, int]]:
    """Take mode and owner of a folder and all above it."""
    found = [path.stat() for path in (folder, *folder.parents)]
    return [(stat.st_mode, stat.st_uid) for stat in found]


def exists(path: Path) -> bool:
    """Tell whether anything at all stands under a path."""
    return os.path.lexists(path)


@contextmanager
def planted_link(path: Path, target: Path) -> Iterator[None]:
    """Let a link stand at `path` meanwhile."""
    path.symlink_to(target)
    try:
        yield
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 120, id="longer than a socket's path may be"),
        pytest.param("my shop, données", id="space, comma and accent"),
    ],
)
async def test_any_path_will_do(parent: Path, name: str) -> None:
    """Where the socket cannot stand beside the data it gets a private folder, each time the same,
    and leaves none behind."""
    postgres = EmbeddedPostgres(parent / name, durable=False)
    try:
        url = await postgres.start()
        assert await read_sql(url, "SELECT 1") == [(1,)]
        socket = Path(str(make_url(url).query["host"]))
        assert permissions(socket) == 0o700
        await postgres.stop()
        assert not exists(socket)
        assert await postgres.start() == url
    finally:
        await postgres.stop()


async def test_a_socket_folder_prepared_by_somebody_else_is_refused(parent: Path) -> None:
    """A link planted under the foreseeable name in the public temporary folder is not followed."""
    postgres = EmbeddedPostgres(parent / ("x" * 120), durable=False)
    url = await postgres.start()
    await postgres.stop()
    planted = Path(str(make_url(url).query["host"]))
    with planted_link(planted, parent), pytest.raises(ConfigError, match="remove it"):
        await postgres.start()


async def test_a_folder_the_server_account_cannot_reach_is_refused(closed: Path) -> None:
    """The refusal names the folder that is shut and the fix; no mode or owner has changed."""
    before = modes(closed)
    with pytest.raises(ConfigError) as refusal:
        await EmbeddedPostgres(closed / "shop" / "data").start()
    assert str(closed) in str(refusal.value)
    assert "give another data folder" in str(refusal.value) or "chmod o+x" in str(refusal.value)
    assert modes(closed) == before
    assert not exists(closed / "shop")


async def test_a_folder_with_other_files_is_refused(parent: Path) -> None:
    """Taking a folder over would shut its files away from their users, so it must be empty."""
    (parent / "letters.txt").write_text("mine")
    before = modes(parent)
    with pytest.raises(ConfigError, match=r"other files \(letters.txt\)"):
        await EmbeddedPostgres(parent).start()
    assert modes(parent) == before


async def test_a_file_is_not_a_data_folder(parent: Path) -> None:
    """A path on which a file stands is refused in one sentence."""
    (parent / "file").write_text("mine")
    with pytest.raises(ConfigError, match="cannot be used"):
        await EmbeddedPostgres(parent / "file").start()


async def test_data_of_another_major_version_is_refused(own_postgres: EmbeddedPostgres) -> None:
    """One clear line instead of PostgreSQL's log, and the data is left as it was."""
    await own_postgres.start()
    await own_postgres.stop()
    version = own_postgres.folder / "pgdata" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(ConfigError, match=r"made by PostgreSQL 17, this version runs 18"):
        await own_postgres.start()
    assert version.read_text() == "17\n"


async def test_a_server_that_cannot_start_says_why(own_postgres: EmbeddedPostgres) -> None:
    """PostgreSQL's own reason is in the error, and nothing is left running."""
    await own_postgres.start()
    await own_postgres.stop()
    (own_postgres.folder / "pgdata" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ConfigError, match="configuration file"):
        await own_postgres.start()
    assert own_postgres.pid is None


def test_programs_in_a_private_place_are_copied_for_the_server_account(
    parent: Path, closed: Path
) -> None:
    """Root's checkout in a private home works: the account gets a copy, modes outside stay."""
    account = choose(None)
    own_folder = parent / "data"
    own_folder.mkdir()
    account.take(own_folder, 0o700)
    private = installed()
    if os.geteuid() == 0:
        private = reachable(_nobody_reaches(private, closed), account, own_folder)
        assert private.is_relative_to(own_folder)
    else:
        assert reachable(private, account, own_folder) == private
    said = subprocess.run(
        [str(private / "postgres"), "--version"],
        env=child_environment({}),
        capture_output=True,
        text=True,
        check=True,
        **account.run_as,
    )
    assert said.stdout.startswith("postgres (PostgreSQL) 18.")


def _nobody_reaches(binaries: Path, closed: Path) -> Path:
    """Show the programs under a path that only root can walk."""
    site = binaries.parent.parent.parent
    (closed / "site").symlink_to(site)
    return closed / "site" / binaries.relative_to(site)


@pytest.mark.parametrize(
    ("outside", "seen"),
    [
        pytest.param({}, {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, id="nothing"),
        pytest.param({"PATH": "/opt"}, {"PATH": "/opt", "LC_ALL": "C"}, id="path"),
        pytest.param(
            {"NPS_TOKEN": "secret", "PGPORT": "1", "PATH": "/opt", "LC_ALL": "fr_FR"},
            {"PATH": "/opt", "LC_ALL": "C"},
            id="secrets and settings of PostgreSQL stay out",
        ),
    ],
)
def test_the_server_sees_no_secret_of_ours(outside: dict[str, str], seen: dict[str, str]) -> None:
    """The server's account may be shared, so its environment holds only what it needs."""
    assert child_environment(outside) == seen


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        pytest.param(None, os.geteuid() or "nobody", id="new folder"),
        pytest.param(os.geteuid() or 4242, os.geteuid() or 4242, id="existing folder: its owner"),
    ],
)
def test_the_server_runs_as_the_owner_of_its_data(owner: int | None, expected: int | str) -> None:
    """Never as root: as the data's owner, and as `nobody` for new data of root."""
    account = choose(owner)
    assert expected in (account.uid, account.name)
    assert account.uid != 0


def test_data_of_somebody_else_is_refused() -> None:
    """An ordinary account cannot run another's data; root would run it as that other."""
    other = os.geteuid() + 1
    if os.geteuid() == 0:
        assert choose(other) == Account(other, choose(other).gid, switches=True)
    else:
        with pytest.raises(ConfigError, match="start as its owner"):
            choose(other)
