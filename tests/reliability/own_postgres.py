"""A Postgres server of a test's own, to be stopped and killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psycopg

from project.postgres.programs import binary, environment, run_unprivileged, unprivileged
from tests.services.app import manage
from tests.services.databases import Database
from tests.services.process import Process

USER = "backdrop"
_AS = "import os, sys; os.setgroups([]); os.setgid({group}); os.setuid({user}); os.execv(sys.argv[1], sys.argv[1:])"


class OwnPostgres(Process):
    """The server, on a Unix socket in `directory`, whose path must be short."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        data = directory / "data"
        initdb = [
            str(binary("initdb")),
            f"--pgdata={data}",
            f"--username={USER}",
            "--auth=trust",
            "--no-sync",
        ]
        done = run_unprivileged([*initdb, "--encoding=UTF8", "--locale=C"], directory)
        assert done.returncode == 0, done.stdout
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "max_connections": "120",
            "jit": "off",
        }
        command = [str(binary("postgres")), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        command, who = unprivileged(command, directory)
        if who:
            command = [sys.executable, "-c", _AS.format(**who), *command]
        super().__init__(command, directory / "postgres.log", environment())

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.directory}"

    async def start(self) -> None:
        """Start it, and return once it answers: after a kill it waits for what is left of its former life."""
        for _ in range(100):
            if not self.alive:
                self.spawn()
            if await self._answers():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(self.log())

    async def migrated(self, name: str = "backdrop") -> OwnDatabase:
        """A new database with the project's tables."""
        async with await psycopg.AsyncConnection.connect(self.url("postgres"), autocommit=True) as connection:
            await connection.execute(f'CREATE DATABASE "{name}"')
        found = OwnDatabase(name, self)
        migrated = await manage("migrate", "--verbosity=0", DATABASE_URL=found.url)
        assert migrated.code == 0, migrated.output
        return found

    async def _answers(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(self.url("postgres"), connect_timeout=5)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True


class OwnDatabase(Database):
    """A database of such a server."""

    def __init__(self, name: str, server: OwnPostgres) -> None:
        super().__init__(name)
        object.__setattr__(self, "_server", server)

    @property
    def url(self) -> str:
        url: str = self._server.url(self.name)  # type: ignore[attr-defined]
        return url
