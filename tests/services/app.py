"""The application as its own process, on a database of its own: web servers and workers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

import httpx

from tests.services.process import Python, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.databases import Database

Kind = Literal["daphne", "uvicorn"]

# What a developer has in the environment or in .env must not reach the tests.
NEUTRAL = {
    "ORIGINS": "",
    "SECRET_KEY": "only-for-tests",
    "REDIS_URL": "",
    "CHAT_WORKER": "inline",
    "SIGNUP": "",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "CHAT_MODEL": "",
    "CHAT_VISION": "",
    "IMAGE_MODEL": "",
    "IMAGE_BACKEND": "",
    "TRUSTED_PROXIES": "",
    "HSTS": "",
    "DEBUG": "",
    "LOG_LEVEL": "INFO",
}


class WebServer(Python):
    """`daphne` or `uvicorn` with the project's ASGI application on a loopback port, which it keeps over restarts."""

    def __init__(
        self, directory: Path, database: Database, env: Mapping[str, str], kind: Kind = "daphne"
    ) -> None:
        self.port = free_port()
        self.kind = kind
        arguments = {
            "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port)],
            "uvicorn": [
                "-m",
                "uvicorn",
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--ws",
                "websockets-sansio",
                "--no-proxy-headers",
                "--timeout-graceful-shutdown",
                "15",
            ],
        }
        super().__init__(
            [*arguments[kind], "project.asgi:application"],
            directory / f"{kind}-{self.port}.log",
            _environment(directory, database, env),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return once it answers."""
        self.spawn()
        await self.ready(self._answers)

    async def restart(self) -> None:
        """Kill it if it still runs, and start it again on the same port."""
        self.kill()
        await self.start()

    async def _answers(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{self.url}/healthz", timeout=5)).is_success
        except httpx.TransportError:
            return False


class Worker(Python):
    """`manage.py procrastinate worker`, for web servers with CHAT_WORKER=external."""

    def __init__(self, directory: Path, database: Database, env: Mapping[str, str]) -> None:
        super().__init__(
            ["manage.py", "procrastinate", "worker"],
            directory / f"worker-{id(self)}.log",
            _environment(directory, database, {"CHAT_WORKER": "external", **env}),
        )


class Managed(NamedTuple):
    """How a management command ended, and all that it said."""

    code: int
    output: str


async def manage(*arguments: str, **env: str) -> Managed:
    """Run `manage.py ARGUMENTS` to its end; settings by their environment variables."""
    with TemporaryDirectory() as directory:
        process = Python(["manage.py", *arguments], Path(directory, "log"), {**NEUTRAL, **env})
        process.spawn()
        return Managed(await process.ended(), process.log())


def _environment(directory: Path, database: Database, env: Mapping[str, str]) -> dict[str, str]:
    return {**NEUTRAL, "DATABASE_URL": database.url, "DATA_DIR": str(directory), **env}
