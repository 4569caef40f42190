"""The databases of the benchmark: an embedded Postgres of its own, with its ordinary, durable settings."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg

from benchmarks import machine
from project.postgres import Server
from tests.services.app import NEUTRAL

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "var" / "bench"
PERSON, PASSWORD = "bench", "a long enough password"


class Database:
    """A database of one server under test, on the benchmark's own Postgres."""

    def __init__(self, server: Server, name: str) -> None:
        self.name = name
        self.url = server.url(name)

    def query(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """One statement in a transaction of its own; its rows, if it has any."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def number(self, sql: str, *parameters: object) -> int:
        """The one number that the query gives."""
        return int(str(self.query(sql, *parameters)[0][0]))


class Postgres:
    """The embedded server with its ordinary, durable settings, and databases on it."""

    def __init__(self, directory: Path) -> None:
        self._server = Server(directory)
        self._template = "bench_template"
        self.token = ""

    def start(self) -> None:
        """Start it and make the template: migrated, with one person who has a token."""
        self._server.ensure()
        for (name,) in self._maintenance().query(
            "SELECT datname FROM pg_database WHERE starts_with(datname, 'bench_')"
        ):
            self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._administer(f'CREATE DATABASE "{self._template}"')
        url = self._server.url(self._template)
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "create_user", PERSON, "--password", PASSWORD)
        self.token = manage(url, "create_token", PERSON).splitlines()[-1]

    def migrated(self) -> Database:
        """A new database for Backdrop."""
        return self._create(f'TEMPLATE "{self._template}"')

    def empty(self) -> Database:
        return self._create("")

    def drop(self, database: Database) -> None:
        self._administer(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    @property
    def pid(self) -> int:
        return int((self._server.data / "postmaster.pid").read_text().splitlines()[0])

    def log_statements(self, database: Database) -> None:
        """From the next connection on, every statement on the database is told in the server's log."""
        self._administer(f"ALTER DATABASE \"{database.name}\" SET log_statement = 'all'")

    def log_bytes(self) -> bytes:
        """The server's log so far."""
        return self._server.log.read_bytes()

    def cpu_seconds(self) -> float:
        """What the server's processes that now run have used so far."""
        return sum(machine.cpu_seconds(pid) for pid in [self.pid, *machine.children(self.pid)])

    def _create(self, how: str) -> Database:
        name = f"bench_{uuid.uuid4().hex[:8]}"
        self._administer(f'CREATE DATABASE "{name}" {how}')
        return Database(self._server, name)

    def _maintenance(self) -> Database:
        return Database(self._server, "postgres")

    def _administer(self, sql: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)


def manage(database_url: str, *arguments: str) -> str:
    """What a management command prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **NEUTRAL, "DATABASE_URL": database_url, "DATA_DIR": str(DATA)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout
