"""The socket of a tab on one thread.

Three things go on, none of which waits for another: what arrives is read at once, so that Stop and flow control are
never behind a slow command; commands are carried out one after the other; frames of the log's feed are written as they
come. The last two have a task only while there is something to wait for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.contrib.auth.models import User

from chat import commands, flow, frames, limits, opening, runs, sockets
from chat.consumers.socket import SLOW_CLIENT_SECONDS, Socket
from chat.db import in_thread
from chat.errors import ChatError, InvalidFrame, NotFound, RateLimited, Unavailable
from chat.replay import Frame
from chat.sockets import NO_SUCH_THREAD, NOT_PROTOCOL, SLOW, TOO_MANY

logger = logging.getLogger(__name__)

BAD_FRAMES_MAX = 20
REFUSED_MAX = 100
"""After so many commands in a row that came too fast, the socket is closed."""
COMMANDS_WAITING_MAX = 256


class ThreadConsumer(Socket):
    """One tab on one thread."""

    async def open(self, user_id: int) -> None:
        try:
            self._thread_id = UUID(self.scope["url_route"]["kwargs"]["thread_id"])
        except ValueError:
            raise NotFound("There is no such thread.") from None
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        after = opening.parse_after(query.get("after", [None])[0])
        self._unreceived = flow.Unreceived()
        self._room: asyncio.Future[None] | None = None
        self._bad_frames = 0
        self._refused = 0
        self._waiting: list[commands.Durable] = []
        self._is_obeying = False
        self._is_following = True  # from the opening on
        self._opening = await opening.enter(user_id, self._thread_id, after, self._follow_at_once)
        self.spawn(self._begin())

    async def _begin(self) -> None:
        """Write the thread's stream from where the client is."""
        entered = self._opening
        await self.write(frames.hello(self._thread_id, entered.head))
        async for frame in entered.replay():
            await self._write_counted(frame)
        await self.write(frames.caught_up(entered.head))
        await self._follow(())

    def _follow_at_once(self) -> None:
        """Write what the stream has now. Where that must wait for the log, or for the client, a task does it."""
        if self._is_following or self._closed:
            return
        ready = self._opening.subscription.take()
        rest = None
        for place, frame in enumerate(ready):
            size = _size(frame.text)
            if not self._unreceived.has_room(size):
                self._follow_in_time(ready[place:])
                return
            self._unreceived.send(frame.seq, size)
            rest = self.begin_to_write(frame.text)
            if rest is not None:
                self._follow_in_time(ready[place + 1 :], rest)
                return
        if self._opening.subscription.behind or self._opening.subscription.ended:
            self._follow_in_time(())

    def _follow_in_time(self, ready: Sequence[Frame], rest: sockets.Rest | None = None) -> None:
        self._is_following = True
        self.spawn(self._follow(ready, rest))

    async def _follow(self, ready: Sequence[Frame], rest: sockets.Rest | None = None) -> None:
        """Write on until there is nothing more to be written now."""
        if rest is not None:
            await self.finish(rest)
        subscription = self._opening.subscription
        while True:
            for frame in ready:
                await self._write_counted(frame)
            ready = await subscription.ready()
            if not (ready or subscription.behind):
                break
        if subscription.ended:
            await self.close_with(NO_SUCH_THREAD)
        self._is_following = False

    async def _write_counted(self, frame: Frame) -> None:
        """Write a frame of the log when the client has room for it: it says by `received` how far it has read."""
        size = _size(frame.text)
        while not self._unreceived.has_room(size):
            self._room = self._loop.create_future()
            try:
                async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                    await self._room
            except TimeoutError:
                await self.close_with(SLOW)
                raise asyncio.CancelledError from None
        self._unreceived.send(frame.seq, size)
        await self.write(frame.text)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self._closed or self.user_id is None:
            return
        id_: str | None = None
        try:
            raw = message.get("text")
            if raw is None:
                raise InvalidFrame("Frames are text.")
            frame = commands.loads(raw)
            id_ = frame["id"] if isinstance(frame.get("id"), str) else None
            if frame["type"] == "pong":  # some clients answer the heartbeat
                return
            command = commands.parse(frame)
            self._bad_frames = 0
            await self._take(command, self.user_id)
        except RateLimited as problem:
            self._refused += 1
            await self.write(frames.error(id_, problem))
            if self._refused >= REFUSED_MAX:
                await self.close_with(TOO_MANY)
        except ChatError as problem:
            self._bad_frames += 1
            await self.write(frames.error(id_, problem))
            if self._bad_frames >= BAD_FRAMES_MAX:
                await self.close_with(NOT_PROTOCOL)

    async def _take(self, command: commands.Command, user_id: int) -> None:
        match command:
            case commands.Received():
                self._receive_up_to(command.seq)
            case commands.Ping():
                limits.command(user_id)
                self._refused = 0
                # Waited for: who does not read the answers is not read from either.
                await self.write(frames.pong(command.id))
            case _:
                limits.command(user_id)
                if len(self._waiting) >= COMMANDS_WAITING_MAX:
                    raise RateLimited(
                        "Too many commands are waiting on this socket.", retry_after_seconds=1.0
                    )
                self._waiting.append(command)
                self._refused = 0
                if not self._is_obeying:
                    self._is_obeying = True
                    self.spawn(self._obey(user_id))

    def _receive_up_to(self, seq: int) -> None:
        self._unreceived.receive(seq)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _obey(self, user_id: int) -> None:
        """Carry the commands out, in their order, until none waits."""
        while self._waiting:
            command = self._waiting.pop(0)
            try:
                # Who it is was looked up on the way in: of a person, nothing but the id is asked for.
                answer = await in_thread(runs.honour, User(pk=user_id), self._thread_id, command)
            except ChatError as problem:
                await self.write(frames.error(command.id, problem))
            except Exception:
                logger.exception("a command ended by an error")
                await self.write(
                    frames.error(command.id, Unavailable("Something went wrong here. Try again."))
                )
            else:
                await self.write(frames.ack(command.id, answer))
        self._is_obeying = False

    async def left(self) -> None:
        if hasattr(self, "_opening"):
            await self._opening.close()


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
