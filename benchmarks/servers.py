"""Everything that a benchmark starts: Postgres, the model, Redis, the servers under test. All of it ends with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from benchmarks import machine
from benchmarks.conversations import (
    BackdropConversation,
    ChainlitConversation,
    Conversation,
    TutorialConversation,
)
from project.postgres import Server
from tests.services.app import NEUTRAL
from tests.services.process import Process, free_port
from tests.services.redis import RedisServer

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "var" / "bench"
BASELINE_PYTHON = ROOT / "var" / "bench-venv" / "bin" / "python"
PERSON, PASSWORD = "bench", "a long enough password"

UVICORN = [
    "-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio",
    "--ws-per-message-deflate", "false", "--log-level", "warning", "--no-access-log",
]  # fmt: skip
DAPHNE = ["-m", "daphne", "-b", "127.0.0.1", "--verbosity", "0"]


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


@dataclass(frozen=True)
class Target:
    """A server that can be measured: how to start it, and how one talks with it."""

    name: str
    title: str


BACKDROP = Target("backdrop", "Backdrop on uvicorn")
BACKDROP_DAPHNE = Target("backdrop-daphne", "Backdrop on Daphne")
TUTORIAL = Target("tutorial", "FastAPI + LangGraph + Postgres")
TUTORIAL_MEMORY = Target("tutorial-memory", "FastAPI + LangGraph, in memory")
CHAINLIT = Target("chainlit", "Chainlit + LangGraph, in memory")
OURS = (BACKDROP, BACKDROP_DAPHNE)
OTHERS = (TUTORIAL, TUTORIAL_MEMORY, CHAINLIT)


class Running:
    """A server under test that answers."""

    def __init__(
        self, target: Target, process: Process, port: int, database: Database | None, token: str
    ) -> None:
        self.target = target
        self.process = process
        self.port = port
        self.database = database
        self.token = token
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            trust_env=False,
            timeout=60,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        return machine.cpu_seconds(self.pid)

    def log(self) -> str:
        """The end of what the server has said."""
        return self.process.log()[-2000:]

    async def conversation(self) -> Conversation:
        """A new conversation, open."""
        conversation: Conversation
        if self.target in OURS:
            conversation = BackdropConversation(self.port, self.token, await self.thread())
        elif self.target is CHAINLIT:
            conversation = ChainlitConversation(self.port)
        else:
            conversation = TutorialConversation(self.port)
        await conversation.open()
        return conversation

    async def thread(self) -> str:
        """A new thread of Backdrop's. It has a title: giving it one would be work that no other server does."""
        made = await self.http.post("/api/v1/threads", json={"title": "A benchmark"})
        made.raise_for_status()
        return str(made.json()["id"])


class Services:
    """What the servers under test stand on, for the time of one benchmark run."""

    def __init__(self) -> None:
        self.postgres = Postgres(DATA)
        self.directory = Path(tempfile.mkdtemp(prefix="backdrop-bench-"))
        self.model_url = ""
        self._model: Process | None = None

    async def __aenter__(self) -> Services:
        await asyncio.to_thread(self.postgres.start)
        model = Process([sys.executable, "-m", "benchmarks.model_server"], self.directory / "model.log")
        model.spawn()
        await model.ready(lambda: _has_said_where(model))
        self.model_url = model.log().strip()
        self._model = model
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._model is not None:
            self._model.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def model_cpu_seconds(self) -> float:
        assert self._model is not None
        return machine.cpu_seconds(self._model.pid)

    @asynccontextmanager
    async def running(
        self, target: Target, *, database: Database | None = None, **env: str
    ) -> AsyncIterator[Running]:
        """The server, on its core, with a database of its own unless one is given."""
        own = None
        if database is None and target in OURS:
            database = own = self.postgres.migrated()
        elif database is None and target is TUTORIAL:
            database = own = self.postgres.empty()
        port = free_port()
        process = self._process(target, port, database, env)
        running = Running(target, process, port, database, self.postgres.token if target in OURS else "")
        try:
            process.spawn()
            machine.give_the_server_core(process.pid)
            await process.ready(lambda: _answers(running), seconds=60)
            yield running
        finally:
            await running.http.aclose()
            process.kill()
            if own is not None:
                self.postgres.drop(own)

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[str]:
        """A Redis-compatible server's URL."""
        # A socket's path holds about a hundred bytes.
        with tempfile.TemporaryDirectory(prefix="redis-") as directory:
            server = RedisServer(Path(directory))
            await server.start()
            try:
                yield server.url
            finally:
                server.kill()

    def _process(self, target: Target, port: int, database: Database | None, env: dict[str, str]) -> Process:
        model = {"OPENAI_BASE_URL": self.model_url, "OPENAI_API_KEY": "bench", "CHAT_MODEL": "bench"}
        url = {"DATABASE_URL": database.url} if database is not None else {}
        python = sys.executable if target in OURS else str(BASELINE_PYTHON)
        given = ["--port", str(port)]
        match target.name:
            case "backdrop":
                arguments = [*UVICORN, *given, "project.asgi:application"]
            case "backdrop-daphne":
                arguments = [*DAPHNE, "-p", str(port), "project.asgi:application"]
            case "chainlit":
                app = str(ROOT / "benchmarks" / "baselines" / "chainlit_app.py")
                arguments = ["-m", "chainlit", "run", app, "--headless", "--host", "127.0.0.1", *given]
            case _:
                arguments = [*UVICORN, *given, "benchmarks.baselines.tutorial:app"]
        ours = {**NEUTRAL, "LOG_LEVEL": "WARNING", "IMAGE_BACKEND": "local", "DATA_DIR": str(self.directory)}
        # One person holds every conversation here: what a person may have must not be what is measured.
        ours |= dict.fromkeys(("LIMIT_CONNECTIONS", "LIMIT_COMMANDS_PER_MINUTE", "LIMIT_RUNS"), "1000000")
        theirs = {"LANGSMITH_TRACING": "false", "CHAINLIT_APP_ROOT": str(self.directory)}
        return Process(
            [python, *arguments],
            self.directory / f"{target.name}-{port}.log",
            {**(ours if target in OURS else theirs), **url, **model, **env},
        )


async def _has_said_where(model: Process) -> bool:
    return model.log().endswith("\n")


async def _answers(running: Running) -> bool:
    try:
        path = "/" if running.target is CHAINLIT else "/healthz"
        return (await running.http.get(path)).is_success
    except httpx.TransportError:
        return False
