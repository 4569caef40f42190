"""The embedded Postgres starts by itself, is shared, and ends when its last user has ended, however that was."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from project.postgres.orphan import is_postgres_of
from project.postgres.server import Server
from tests.services.app import manage
from tests.services.process import ROOT, Process

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")

USE = """
import sys, time
from pathlib import Path
from project.postgres import Server
server = Server(Path(sys.argv[1]))
server.ensure()
print("in use", flush=True)
time.sleep(float(sys.argv[2]))
"""

TELL_WHOSE = """
import os
print(os.geteuid(), server.data.stat().st_uid)
"""
NOBODY = 65534


class User(Process):
    """A process that uses the server of a data directory."""

    def __init__(self, data_dir: Path, seconds: float = 60) -> None:
        log = data_dir / f"user-{id(self)}.log"
        super().__init__([sys.executable, "-c", USE, str(data_dir), str(seconds)], log)
        self._starts = 0

    async def start(self) -> None:
        self.spawn()
        self._starts += 1
        await self.ready(self._says_so)

    async def _says_so(self) -> bool:
        return self.log().count("in use") == self._starts


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest_asyncio.fixture
async def user(data_dir: Path) -> AsyncIterator[User]:
    process = User(data_dir)
    await process.start()
    yield process
    process.kill()
    await until(lambda: not is_up(data_dir))


async def test_a_user_that_is_killed_takes_the_server_along(user: User, data_dir: Path) -> None:
    assert is_up(data_dir)
    user.kill()
    await until(lambda: postmaster(data_dir) is None)


async def test_several_processes_share_one_server(user: User, data_dir: Path) -> None:
    first = postmaster(data_dir)
    other = User(data_dir)
    await other.start()
    assert postmaster(data_dir) == first
    user.kill()
    # Nothing would happen at once, so what is looked for is that it can still be used.
    assert is_up(data_dir)
    other.kill()
    await until(lambda: postmaster(data_dir) is None)


async def test_many_first_users_at_once_start_one_server(data_dir: Path) -> None:
    users = [User(data_dir) for _ in range(4)]
    await asyncio.gather(*(user.start() for user in users))
    assert is_up(data_dir)
    for user in users:
        user.kill()
    await until(lambda: postmaster(data_dir) is None)


async def test_the_next_start_works_after_everything_was_killed(user: User, data_dir: Path) -> None:
    write(data_dir)
    await kill_everything(user, data_dir)
    await user.start()
    assert written(data_dir)


async def test_a_pid_file_that_names_somebody_else_does_not_stop_a_start(user: User, data_dir: Path) -> None:
    await kill_everything(user, data_dir)
    for stale in (
        server_of(data_dir).data / "postmaster.pid",
        server_of(data_dir).socket_dir / ".s.PGSQL.5432.lock",
    ):
        stale.write_text(stale.read_text().replace(stale.read_text().split("\n")[0], str(os.getpid()), 1))
    await user.start()
    assert is_up(data_dir)


async def test_a_server_without_its_keeper_is_replaced_by_one_that_is_kept(
    user: User, data_dir: Path
) -> None:
    orphan = postmaster(data_dir)
    os.kill(keeper(data_dir), signal.SIGKILL)
    other = User(data_dir)
    await other.start()
    assert postmaster(data_dir) not in (None, orphan)
    other.kill()
    user.kill()
    await until(lambda: postmaster(data_dir) is None)


async def test_a_server_that_dies_is_started_again(user: User, data_dir: Path) -> None:
    # A keeper gives up on a server that dies at once, so that whoever waits for it hears why.
    await until(lambda: age_seconds(keeper(data_dir)) > 5.5)
    dead = postmaster(data_dir)
    assert dead is not None
    os.kill(dead, signal.SIGKILL)
    await until(lambda: postmaster(data_dir) not in (None, dead) and is_up(data_dir))


async def test_a_long_path_gets_a_short_socket() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        deep = Path(directory, *["a-folder-with-a-long-name"] * 4)
        deep.mkdir(parents=True)
        user = User(deep)
        await user.start()
        assert is_up(deep)
        assert server_of(deep).socket_dir.parent == Path(tempfile.gettempdir())
        user.kill()
        await until(lambda: postmaster(deep) is None)
        server_of(deep).socket_dir.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_an_ordinary_user_can_use_it(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    home = data_dir / "home"
    home.mkdir()
    if is_readable_for_nobody():
        os.chown(home, NOBODY, NOBODY)
        done = run_as_ordinary_user([], home, user=NOBODY, group=NOBODY, extra_groups=[])
    else:  # in a namespace of its own a user has root's files, and none of root's rights
        done = run_as_ordinary_user(["unshare", "--user", f"--map-user={NOBODY}"], home)
    assert done.stdout == f"in use\n{NOBODY} {NOBODY}\n", done.stderr
    await until(lambda: postmaster(home) is None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
async def test_root_without_namespaces_runs_it_as_nobody(data_dir: Path, tmp_path: Path) -> None:
    data_dir.chmod(0o755)
    refuses = tmp_path / "unshare"
    refuses.write_text("#!/bin/sh\nexit 1\n")
    refuses.chmod(0o755)
    user = User(data_dir)
    user.env["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    await user.start()
    running = postmaster(data_dir)
    assert running is not None
    assert Path(f"/proc/{running}").stat().st_uid == 65534
    user.kill()
    await until(lambda: postmaster(data_dir) is None)
    # The same data, as root again: it goes on with what is there.
    del user.env["PATH"]
    await user.start()
    user.kill()
    await until(lambda: postmaster(data_dir) is None)


def is_readable_for_nobody() -> bool:
    """Whether somebody who is not root gets at the interpreter and the checkout."""
    command = ["sh", "-c", 'exec "$0" -c "import project.postgres"', sys.executable]
    tried = subprocess.run(
        command, cwd=ROOT, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
    )
    return tried.returncode == 0


def run_as_ordinary_user(prefix: list[str], data_dir: Path, **who: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", USE + TELL_WHOSE, str(data_dir), "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
        **who,
    )


async def test_checking_and_collecting_need_no_database(data_dir: Path) -> None:
    for command in (["check"], ["collectstatic", "--noinput", "-v0"]):
        done = await manage(*command, DATABASE_URL="", DATA_DIR=str(data_dir))
        assert done.code == 0, done.output
    assert not server_of(data_dir).directory.exists()


def server_of(data_dir: Path) -> Server:
    return Server(data_dir)


def is_up(data_dir: Path) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(server_of(data_dir).url()).close()
        return True
    return False


def write(data_dir: Path) -> None:
    with psycopg.connect(server_of(data_dir).url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")


def written(data_dir: Path) -> bool:
    with psycopg.connect(server_of(data_dir).url()) as connection:
        return connection.execute("SELECT one FROM kept").fetchall() == [(1,)]


def postmaster(data_dir: Path) -> int | None:
    """The pid of the running server."""
    server = server_of(data_dir)
    with suppress(FileNotFoundError, ValueError):
        pid = int((server.data / "postmaster.pid").read_text().split("\n")[0])
        return pid if is_postgres_of(pid, server) else None
    return None


def keeper(data_dir: Path) -> int:
    wanted = [b"project.postgres.keeper", os.fsencode(data_dir)]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = process.read_bytes().split(b"\0")
            if all(word in words for word in wanted):
                return int(process.parent.name)
    raise AssertionError("no keeper")


async def kill_everything(user: User, data_dir: Path) -> None:
    server = postmaster(data_dir)
    assert server is not None
    os.kill(keeper(data_dir), signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    user.kill()
    await until(lambda: postmaster(data_dir) is None)


def age_seconds(pid: int) -> float:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


async def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
        await asyncio.sleep(0.05)
