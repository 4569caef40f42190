"""Everything that a benchmark starts: Postgres, the model, Redis, the servers under test. All of it ends with it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import machine
from benchmarks.conversations import (
    BackdropConversation,
    ChainlitConversation,
    Conversation,
    TutorialConversation,
)
from benchmarks.postgres import DATA, ROOT, Database, Postgres
from tests.services.app import NEUTRAL
from tests.services.process import Process, free_port
from tests.services.redis import RedisServer

BASELINE_PYTHON = ROOT / "var" / "bench-venv" / "bin" / "python"

UVICORN = [
    "-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio",
    "--ws-per-message-deflate", "false", "--no-proxy-headers", "--log-level", "warning", "--no-access-log",
]  # fmt: skip
DAPHNE = ["-m", "daphne", "-b", "127.0.0.1", "--verbosity", "0"]


@dataclass(frozen=True)
class Target:
    """A server that can be measured: how to start it, and how one talks with it."""

    name: str
    title: str


BACKDROP = Target("backdrop", "Backdrop on uvicorn")
BACKDROP_DAPHNE = Target("backdrop-daphne", "Backdrop on Daphne")
TUTORIAL = Target("tutorial", "FastAPI + LangGraph + Postgres")
CHAINLIT = Target("chainlit", "Chainlit + LangGraph, in memory")
OURS = (BACKDROP, BACKDROP_DAPHNE)
OTHERS = (TUTORIAL, CHAINLIT)


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


@dataclass(frozen=True)
class Model:
    """The model server, as a process of its own; `url` is its base URL."""

    process: Process
    url: str


@asynccontextmanager
async def running_model(directory: Path) -> AsyncIterator[Model]:
    """The model server, which logs into the directory."""
    process = Process([sys.executable, "-m", "benchmarks.model_server"], directory / "model.log")

    async def has_said_where() -> bool:
        return process.log().endswith("\n")

    process.spawn()
    try:
        await process.ready(has_said_where)
        yield Model(process, process.log().strip())
    finally:
        process.kill()


class Services:
    """What the servers under test stand on, for the time of one benchmark run."""

    def __init__(self) -> None:
        self.postgres = Postgres(DATA)
        self.directory = Path(tempfile.mkdtemp(prefix="backdrop-bench-"))
        self._stack = AsyncExitStack()
        self._model: Model

    async def __aenter__(self) -> Services:
        await asyncio.to_thread(self.postgres.start)
        self._model = await self._stack.enter_async_context(running_model(self.directory))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def model_url(self) -> str:
        return self._model.url

    def model_cpu_seconds(self) -> float:
        return machine.cpu_seconds(self._model.process.pid)

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


async def _answers(running: Running) -> bool:
    try:
        path = "/" if running.target is CHAINLIT else "/healthz"
        return (await running.http.get(path)).is_success
    except httpx.TransportError:
        return False
