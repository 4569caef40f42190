"""The open sockets of this process, so that they can be closed together."""

from __future__ import annotations

import asyncio
from typing import Protocol

from chat.db import PerLoop

RESTARTING = 1012


class Closable(Protocol):
    async def close_with(self, code: int) -> None: ...


_open: PerLoop[set[Closable]] = PerLoop(set)


def add(socket: Closable) -> None:
    _open.get().add(socket)


def discard(socket: Closable) -> None:
    _open.get().discard(socket)


async def close_all() -> None:
    """Tell every client that the server restarts; it comes back with what it has seen."""
    await asyncio.gather(
        *(socket.close_with(RESTARTING) for socket in tuple(_open.get())), return_exceptions=True
    )
