"""The open sockets of this process: closed together, kept talking together, and how one is written to at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from chat import frames
from chat.db import PerLoop

RESTARTING, NOT_PROTOCOL, NOT_SIGNED_IN, NO_SUCH_THREAD, SLOW, TOO_MANY = 1012, 4400, 4401, 4404, 4408, 4429
"""Why a socket is closed, as clients are told: the codes of docs/protocol.md."""
BEATS = 10
"""How often within its seconds of silence a socket is looked at."""


class Closable(Protocol):
    async def close_with(self, code: int) -> None: ...


class Talking(Closable, Protocol):
    """One that must not be silent for long; `spoke_at` is the loop's time when it last said something."""

    spoke_at: float

    def beat(self) -> None: ...


class _Open:
    def __init__(self) -> None:
        self.all: set[Closable] = set()
        self.talking: set[Talking] = set()


_open: PerLoop[_Open] = PerLoop(_Open)


def add(socket: Closable) -> None:
    _open.get().all.add(socket)


def keep_talking(socket: Talking) -> None:
    """From now on it says something whenever it was silent for frames.HEARTBEAT_SECONDS."""
    _open.get().talking.add(socket)


def discard(socket: Any) -> None:
    _open.get().all.discard(socket)
    _open.get().talking.discard(socket)


async def keep_all_talking() -> None:
    """The heartbeat of all sockets, until it is cancelled: a task for each would be much of what an idle one costs."""
    talking = _open.get().talking
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(frames.HEARTBEAT_SECONDS / BEATS)
        long_ago = loop.time() - frames.HEARTBEAT_SECONDS * (1 - 1 / BEATS)
        for socket in tuple(talking):
            if socket.spoke_at <= long_ago:
                socket.beat()


async def close_all() -> None:
    """Tell every client that the server restarts; it comes back with what it has seen."""
    await asyncio.gather(
        *(socket.close_with(RESTARTING) for socket in tuple(_open.get().all)), return_exceptions=True
    )


class Rest:
    """What is left of a coroutine that was begun outside of any task of its own: to be awaited, or closed."""

    def __init__(self, begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[Any], Any]
        while True:
            try:
                given = yield self._waits_for
                step = self._begun.send
            except BaseException as error:  # noqa: BLE001  it is the coroutine's: a cancellation, most of all
                given, step = error, self._begun.throw
            try:
                self._waits_for = step(given)
            except StopIteration:
                return

    def close(self) -> None:
        self._begun.close()


def begin(work: Coroutine[Any, Any, None]) -> Rest | None:
    """Do what can be done of it without waiting. Gives what is left, or None: most frames are sent at once.

    A task that only sends one costs as much as the sending.
    """
    try:
        waits_for = work.send(None)
    except StopIteration:
        return None
    return Rest(work, waits_for)
