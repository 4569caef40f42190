"""The beat: few streams are heard as they come, several of them together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest_asyncio

from chat.agent import ticks
from chat.agent.ticks import FEW, TICK_SECONDS, Ear

SECONDS = 5.0


class Stream:
    """Knows when it was listened to, and how long."""

    def __init__(self) -> None:
        self.listens = True
        self.opened: list[float] = []
        self.heard = asyncio.Event()
        self.ear = Ear(self._listen)

    def _listen(self, listens: bool) -> None:
        self.listens = listens
        if listens:
            self.opened.append(asyncio.get_running_loop().time())
            self.heard.set()

    async def hear_again(self) -> None:
        self.heard.clear()
        async with asyncio.timeout(SECONDS):
            await self.heard.wait()


@pytest_asyncio.fixture
async def crowd() -> AsyncIterator[ExitStack]:
    """As many streams as are heard one by one; another one more makes several."""
    with ExitStack() as joined:
        for _ in range(FEW):
            joined.enter_context(ticks.beat().joined())
        yield joined


async def test_few_streams_are_heard_as_they_come(crowd: ExitStack) -> None:
    stream = Stream()
    stream.ear.rest()
    assert stream.listens
    assert not stream.ear.rests


async def test_several_are_shut_and_open_together_for_a_moment(crowd: ExitStack) -> None:
    crowd.enter_context(ticks.beat().joined())
    streams = [Stream() for _ in range(4)]
    for stream in streams:
        stream.ear.rest()
        assert not stream.listens
    for _ in range(3):
        await streams[0].hear_again()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(stream.listens for stream in streams)
    for opened in zip(*(stream.opened for stream in streams), strict=True):
        assert max(opened) - min(opened) < TICK_SECONDS / 2
    first, _, third = streams[0].opened
    assert third - first >= 1.5 * TICK_SECONDS
    for stream in streams:
        stream.ear.wake()


async def test_what_is_there_at_a_tick_is_read_in_it(crowd: ExitStack) -> None:
    """An ear is open for as long as the loop needs to look at the sockets."""
    crowd.enter_context(ticks.beat().joined())
    loop = asyncio.get_running_loop()
    mine, theirs = socket.socketpair()
    came = asyncio.Event()

    class Heard(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            came.set()

    transport, _ = await loop.create_connection(Heard, sock=mine)
    opened = 0

    def listen(listens: bool) -> None:
        nonlocal opened
        if listens:
            opened += 1
            transport.resume_reading()
        else:
            transport.pause_reading()

    ear = Ear(listen)
    ear.rest()
    with theirs:
        for _ in range(5):
            came.clear()
            before = opened
            theirs.send(b"word")
            async with asyncio.timeout(SECONDS):
                await came.wait()
            assert opened <= before + 1
    ear.wake()
    transport.close()
