"""Group names, and the one send: how what happened reaches the other processes.

A process joins a group once, whatever its number of tabs, and gives what it hears to the listeners inside it. What it
sends itself reaches its own listeners directly and the others through the channel layer. The layer may lose, reorder
or die: nothing here is relied upon, the log is (see feed.py). So sending never waits for the layer: a bounded queue
stands before it, and what does not fit is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

from chat.db import PerLoop

logger = logging.getLogger(__name__)

Listener = Callable[[dict[str, Any]], None]

CHANNEL = "process"
"""How the channels of a process begin. Of those with another beginning the layer reads none while it waits at these."""
OUTBOX_MESSAGES = 2000
FEW = 4
"""So many messages that wait together go to their groups one by one; more go to everyone in one."""
SEND_SECONDS = 2.0
REJOIN_SECONDS = 0.5
HEAR_AGAIN_SECONDS = 0.05


def thread(thread_id: uuid.UUID) -> str:
    """The group of all who watch one thread."""
    return f"thread.{thread_id}"


def user(user_id: int) -> str:
    """The group of all the tabs of one person: their list of threads changed."""
    return f"user.{user_id}"


def doors() -> str:
    """The group of all processes that keep connections open: somebody's right to be here may have ended."""
    return "doors"


def everyone() -> str:
    """The group of all processes that listen to anything: what is too much to be told group by group."""
    return "everyone"


class Exchange:
    """One process's place in the groups."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._layer = get_channel_layer()
        self._alone = isinstance(self._layer, InMemoryChannelLayer)
        self._name = uuid.uuid4().hex
        self._channel: str | None = None
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._outbox: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(OUTBOX_MESSAGES)
        self._tasks: list[asyncio.Task[None]] = []
        self._rejoining: asyncio.Task[None] | None = None
        if not self._alone:
            self._tasks = [self.loop.create_task(self._send_loop()), self.loop.create_task(self._hear_loop())]

    async def join(self, group: str, listener: Listener) -> None:
        """From now on `listener` hears what is sent to the group. It is called in the loop and must not wait."""
        if not self._alone and everyone() not in self._listeners:
            self._listeners[everyone()].add(self._hear_many)
            await self._group_add(everyone())
        first = not self._listeners[group]
        self._listeners[group].add(listener)
        if first and not await self._group_add(group):
            self.rejoin()

    async def leave(self, group: str, listener: Listener) -> None:
        listeners = self._listeners[group]
        listeners.discard(listener)
        if not listeners:
            del self._listeners[group]
            if self._channel is not None:
                await self._bounded(self._layer.group_discard(group, self._channel))

    def rejoin(self) -> None:
        """Join every group again, until the layer has them all: after a flush it remembers nobody, and tells nobody.

        Nobody waits for it, for a layer that hangs would make the look at the log wait, once for every group.
        """
        if not self._alone and (self._rejoining is None or self._rejoining.done()):
            self._rejoining = self.loop.create_task(self._rejoin())

    async def _rejoin(self) -> None:
        while not await self._join_all():
            await asyncio.sleep(REJOIN_SECONDS)  # a pace for asking again

    async def _join_all(self) -> bool:
        for group in list(self._listeners):
            if not await self._group_add(group):
                return False
        return True

    def send(self, group: str, message: dict[str, Any]) -> None:
        """Give the message to all who joined the group, in this process now, in others if the layer carries it."""
        self._deliver(group, message)
        if not self._alone:
            try:
                self._outbox.put_nowait((group, message))
            except asyncio.QueueFull:
                logger.debug("the channel layer is behind: a message was dropped")

    def _deliver(self, group: str, message: dict[str, Any]) -> None:
        for listener in tuple(self._listeners.get(group, ())):
            listener(message)

    async def _group_add(self, group: str) -> bool:
        return self._channel is None or await self._bounded(self._layer.group_add(group, self._channel))

    async def _bounded(self, call: Any) -> bool:
        """Do this if the layer does it soon; says whether it did."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await call
        except Exception as error:  # noqa: BLE001
            # Whatever the layer's client raises, and however it fails, the log goes on without it.
            logger.debug("the channel layer does not answer: %r", error)
            return False
        return True

    async def _send_loop(self) -> None:
        while True:
            waiting = [await self._outbox.get()]
            while not self._outbox.empty():
                waiting.append(self._outbox.get_nowait())
            if len(waiting) > FEW:
                # A message of the layer costs milliseconds whatever is in it: one for all of them, to every process.
                waiting = [(everyone(), {"many": waiting})]
            for group, message in waiting:
                said = {**message, "type": "sent", "group": group, "by": self._name}
                await self._bounded(self._layer.group_send(group, said))

    def _hear_many(self, message: dict[str, Any]) -> None:
        for group, said in message["many"]:
            self._deliver(group, said)

    async def _hear_loop(self) -> None:
        pause = HEAR_AGAIN_SECONDS
        while True:
            try:
                if self._channel is None:
                    self._channel = await self._layer.new_channel(CHANNEL)
                    self.rejoin()
                message = await self._layer.receive(self._channel)
                pause = HEAR_AGAIN_SECONDS
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001
                level = logging.WARNING if pause == HEAR_AGAIN_SECONDS else logging.DEBUG  # once an outage
                logger.log(level, "the channel layer does not answer: %r; the log carries on alone", error)
                self.rejoin()  # it may come back without its memory
                await asyncio.sleep(pause)  # a pace for asking again, not a wait for a result
                pause = min(pause * 2, 2.0)
                continue
            if message["by"] != self._name:
                self._deliver(message["group"], message)

    async def close(self) -> None:
        tasks = [*self._tasks, self._rejoining] if self._rejoining is not None else self._tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._alone:
            await self._bounded(self._layer.close_pools())


_exchange = PerLoop(Exchange)
_of_process: Exchange | None = None


def exchange() -> Exchange:
    """The running loop's exchange; the first one made is where other threads of the process send through."""
    global _of_process
    found = _exchange.get()
    if _of_process is None or _of_process.loop.is_closed():
        _of_process = found
    return found


async def close() -> None:
    """Leave every group and end the loop's exchange."""
    global _of_process
    found = _exchange.pop()
    if found is not None:
        await found.close()
        if _of_process is found:
            _of_process = None


def send_from_thread(group: str, message: dict[str, Any]) -> None:
    """`send` for synchronous code: through the process's exchange, or straight to the layer where there is none."""
    if _of_process is not None and not _of_process.loop.is_closed():
        _of_process.loop.call_soon_threadsafe(_of_process.send, group, message)
        return
    layer = get_channel_layer()
    if not isinstance(layer, InMemoryChannelLayer):
        try:
            async_to_sync(layer.group_send)(group, {**message, "type": "sent", "group": group, "by": ""})
        except Exception as error:  # noqa: BLE001
            logger.warning("the channel layer does not answer: %r; the log carries on alone", error)
