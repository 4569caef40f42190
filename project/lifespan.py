"""The lifespan, for servers that tell of it: what a process has beside its requests starts and stops with the server.

A server tells of its shutdown when the last connection is gone, and an event stream does not end by itself. So the stop
begins with the signal that the server gets, beside what the server does of it; its shutdown waits for that same stop.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any


def follow(start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> Callable[..., Any]:
    """The application of the scope `lifespan`. `stop` may be called again, and then waits for what is under way."""

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await start()
                _begin_with_the_signal(stop)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    return lifespan


def _begin_with_the_signal(stop: Callable[[], Awaitable[None]]) -> None:
    """Answer SIGTERM and SIGINT by beginning to stop, behind the server's own answer to them."""
    if threading.current_thread() is not threading.main_thread():
        return  # no signals are to be had here
    loop = asyncio.get_running_loop()
    begun: list[asyncio.Future[None]] = []

    def begin() -> None:
        begun.append(asyncio.ensure_future(stop()))

    def answering_after(before: Callable[[int, FrameType | None], Any]) -> Callable[..., None]:
        def answer(number: int, frame: FrameType | None) -> None:
            before(number, frame)
            loop.call_soon_threadsafe(begin)

        return answer

    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, answering_after(before))
