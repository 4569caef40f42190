"""Databases for tests on an embedded Postgres of their own, below `var/test`.

A test that needs more than one connection gets a database to itself, copied from a migrated template.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from project.postgres import Server

# Nothing here outlives the run, so it need not wait for the disk.
SERVER = Server(Path(__file__).resolve().parents[2] / "var" / "test", durable=False)
PREFIX = "test_"


@dataclass(frozen=True)
class Database:
    """One database: `url` is a DATABASE_URL, and a libpq connection string too."""

    name: str

    @property
    def url(self) -> str:
        return SERVER.url(self.name)

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement in its own connection and transaction; its rows, if it has any."""
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []


def own_name() -> str:
    """The name of this run's main test database; others of the run begin with it."""
    return f"{PREFIX}{os.getpid()}"


def create(name: str) -> Database:
    """A new empty database."""
    _administer(f'CREATE DATABASE "{name}"')
    return Database(name)


def copy(template: str) -> Database:
    """A new database like `template`, to which nobody may be connected."""
    name = f"{own_name()}_{uuid.uuid4().hex[:8]}"
    _administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return Database(name)


def drop(database: Database) -> None:
    """Remove it, whoever is still connected."""
    _administer(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def drop_left_over() -> None:
    """Remove the databases of runs that were killed."""
    for (name,) in Database("postgres").query(
        "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%%'"
    ):
        pid = name.removeprefix(PREFIX).split("_")[0]
        if pid.isdigit() and int(pid) != os.getpid() and not _is_alive(int(pid)):
            drop(Database(name))


def _administer(sql: str) -> None:
    with psycopg.connect(SERVER.url("postgres"), autocommit=True) as connection:
        connection.execute(sql)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
