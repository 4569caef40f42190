"""The embedded Postgres server of one data directory: binaries from a wheel, a Unix socket, no port.

Owns the files below `<data_dir>/postgres-18` and the way a process becomes a user of the server. The server's life
is in the hands of a detached process (`keeper.py`): it starts Postgres and stops it when nobody uses it any more.
A user holds a shared lock on `users.lock` for as long as it lives. The kernel drops that lock however the process
ends, so a SIGKILL ends the server too, and several processes of a checkout share one server.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from project.postgres.orphan import stop_orphan
from project.postgres.programs import (
    MAJOR,
    EmbeddedPostgresError,
    binary,
    environment,
    nobody,
    run_unprivileged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
# sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included.
SOCKET_PATH_BYTES = 103
LOG_BYTES = 4_000_000

_mutex = threading.Lock()
_in_use: dict[Path, IO[bytes]] = {}


class Server:
    """The server below `data_dir`. With `durable=False` it does not wait for the disk: for tests only."""

    user = "backdrop"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.directory = data_dir.resolve() / f"postgres-{MAJOR}"
        self.durable = durable
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.socket_dir = _socket_dir(self.directory)

    def url(self, name: str = user) -> str:
        """A DATABASE_URL for the database `name`."""
        return f"postgresql://{self.user}@/{name}?host={self.socket_dir}"

    def ensure(self) -> None:
        """Return once the server accepts connections, and keep it running for as long as this process lives.

        The first call of a process blocks for up to two seconds, later ones for nothing.
        Raises `EmbeddedPostgresError`.
        """
        with _mutex:
            if self.directory in _in_use:
                return
            self._make_directory()
            users = (self.directory / "users.lock").open("ab")
            # Waits here while a keeper that found nobody is still stopping the server.
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                with locked(self.directory / "start.lock"):
                    if not self._is_kept():
                        stop_orphan(self)
                        self._start()
                    elif not self._answers():
                        self._wait(None)
            except BaseException:
                users.close()
                raise
            _in_use[self.directory] = users

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.socket_dir.mkdir(exist_ok=True, mode=0o700)
            (self.directory / "users.lock").touch()
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"{error.filename} cannot be written: it was made by another user. Run as that user, or set DATA_DIR."
            ) from error
        # In a shared temporary folder somebody else could have made it first, to listen there in our place.
        if self.socket_dir.stat().st_uid not in (
            os.geteuid(),
            0,
            nobody().pw_uid if os.geteuid() == 0 else 0,
        ):
            raise EmbeddedPostgresError(
                f"{self.socket_dir} belongs to somebody else. Remove it, or set DATA_DIR."
            )

    def _start(self) -> None:
        if not self.data.exists():
            self._initialise()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.unlink()
        with self.log.open("ab") as log:
            log_start = log.tell()
            keeper = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "project.postgres.keeper",
                    str(self.directory.parent),
                    str(int(self.durable)),
                ],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the app, not for the keeper
            )
        self._wait(keeper, log_start)
        self._create_database()
        # The keeper outlives this process; nobody here will ever wait for it.
        keeper.returncode = 0

    def _wait(self, keeper: subprocess.Popen[bytes] | None, log_start: int = 0) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if (keeper and keeper.poll() is not None) or time.monotonic() > deadline:
                said = self.log.read_bytes()[log_start:].decode(errors="replace").strip()
                raise EmbeddedPostgresError(
                    f"the embedded Postgres did not start; set DATABASE_URL to use another one.\n{said}"
                )
            time.sleep(0.02)  # it is the keeper's child: whether it answers can only be asked again

    def _is_kept(self) -> bool:
        """Whether a keeper is at work. One that is about to end cannot be: it holds what `ensure` waited for."""
        with (self.directory / "keeper.lock").open("ab") as keeper:
            try:
                fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _initialise(self) -> None:
        """Make the cluster aside and move it into place, so that a start that was killed leaves no half of one."""
        for left_over in self.directory.glob("init-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix="init-", dir=self.directory))
        command = [
            str(binary("initdb")),
            f"--pgdata={made}",
            f"--username={self.user}",
            "--auth=trust",  # the socket's folder is closed to everyone else
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        if not self.durable:
            command.append("--no-sync")
        done = run_unprivileged(command, self.directory, self.socket_dir)
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                "the embedded Postgres could not be set up; set DATABASE_URL to use another one.\n"
                + done.stdout.strip()
            )
        made.rename(self.data)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(
                host=str(self.socket_dir), user=self.user, dbname="postgres", connect_timeout=5
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        import psycopg

        with psycopg.connect(
            host=str(self.socket_dir), user=self.user, dbname="postgres", autocommit=True
        ) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [self.user]).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {self.user}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's exclusive lock, waiting for it."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _socket_dir(directory: Path) -> Path:
    if len(os.fsencode(directory / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
        return directory
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"backdrop-{name}")
