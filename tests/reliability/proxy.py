"""A TCP proxy that treats connections badly: cuts them between any two bytes, or leaves them half open."""

from __future__ import annotations

import asyncio
import random
from typing import Self

from tests.services.process import free_port


class Proxy:
    """Stands between clients and the server on `target_port`. What it does follows from the seed."""

    def __init__(self, target_port: int, seed: int, *, cut_after_bytes: int = 0) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cuts = 0
        self._target_port = target_port
        self._random = random.Random(seed)
        self._cut_after_bytes = cut_after_bytes
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        # The handshake passes: a cut there is an ordinary refused connection.
        until_cut = self._random.randint(600, 600 + self._cut_after_bytes) if self._cut_after_bytes else None
        ways = [
            asyncio.ensure_future(self._carry(client, to_server, None)),
            asyncio.ensure_future(self._carry(server, to_client, until_cut)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if until_cut is not None and self._random.random() < 0.3:
            # Half open: the server is not told for a while that its client is gone.
            to_client.transport.abort()
            await asyncio.sleep(self._random.random())
        for way in ways:
            way.cancel()
        to_client.transport.abort()
        to_server.transport.abort()
        self._tasks.difference_update(ways)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None
    ) -> None:
        while data := await reader.read(self._random.randint(1, 4096)):
            if left is not None:
                data, left = data[:left], left - len(data)
            writer.write(data)
            try:
                await writer.drain()
            except ConnectionError:
                return
            if left is not None and left <= 0:
                self.cuts += 1
                return
            if self._random.random() < 0.05:
                await asyncio.sleep(self._random.random() * 0.05)
