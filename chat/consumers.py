"""The WebSockets: authorise, parse, call, write frames. No rule of the product lives here.

On a socket three things go on, none of which waits for another: what arrives is read at once, so that Stop and flow
control are never behind a slow command; commands are carried out one after the other; frames are written by one
task, from the log's feed. The channel layer is not asked here: the process listens once for all (groups.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.utils import await_many_dispatch
from django.conf import settings

from chat import (
    access,
    commands,
    db,
    doors,
    frames,
    groups,
    limits,
    opening,
    process,
    runs,
    sockets,
    threads,
)
from chat.db import in_thread
from chat.errors import ChatError, InvalidFrame, NotFound, NotSignedIn, RateLimited, Unavailable
from chat.log import Frame

logger = logging.getLogger(__name__)

RESTARTING, NOT_PROTOCOL, NOT_SIGNED_IN, NO_SUCH_THREAD, SLOW, TOO_MANY = 1012, 4400, 4401, 4404, 4408, 4429

UNRECEIVED_BYTES_MAX = 1024 * 1024
SLOW_CLIENT_SECONDS: int = settings.SLOW_CLIENT_SECONDS
BAD_FRAMES_MAX = 20
REFUSED_MAX = 100
"""After so many commands in a row that came too fast, the socket is closed."""
COMMANDS_WAITING_MAX = 256
CLOSE_SECONDS = 2.0


class Socket(AsyncWebsocketConsumer):
    """A socket of a person who is signed in; what is said on it is a subclass's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user: Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._sent_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Channels' own gives every socket a channel of the layer, and closes old database connections in a thread
        # before every message. Here the process listens for all its sockets, and no socket holds a connection.
        self.scope, self.base_send = scope, send
        try:
            await await_many_dispatch([receive], self.dispatch)
        except StopConsumer:
            pass
        finally:
            self._closed = True
            self._end_tasks()
            sockets.discard(self)
            doors.watch().leave(self)
            await self.left()

    async def dispatch(self, message: dict[str, Any]) -> None:
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        await process.start()
        if not self._is_welcome():
            await self.close()  # before accept: HTTP 403
            return
        await self.accept()
        if process.is_stopping():
            await self.close_with(RESTARTING)
            return
        sockets.add(self)
        try:
            shown = access.credential_of_headers(self.scope["headers"])
            self.user = await doors.watch().enter(shown, self)
            await self.open()
        except NotSignedIn:
            await self.close_with(NOT_SIGNED_IN)
        except RateLimited:
            await self.close_with(TOO_MANY)
        except NotFound:
            await self.close_with(NO_SUCH_THREAD)
        except db.DOWN:
            await self.close_with(RESTARTING)

    def _is_welcome(self) -> bool:
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin1")
        if not origin:
            return b"authorization" in headers or b"cookie" not in headers
        secure = self.scope.get("scheme") == "wss"
        return access.is_own_origin(origin, headers.get(b"host", b"").decode("latin1"), secure)

    async def open(self) -> None:
        raise NotImplementedError

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this for as long as the socket is open."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except NotFound:
            await self.close_with(NO_SUCH_THREAD)
        except db.DOWN:
            await self.close_with(RESTARTING)
        except Exception:
            logger.exception("a socket's task ended by an error")
            await self.close_with(RESTARTING)

    async def write(self, text: str) -> None:
        """Send a frame. A peer that is gone is noticed by its disconnect, not here."""
        if self._closed:
            return
        self._sent_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                await self.base_send({"type": "websocket.send", "text": text})
        except TimeoutError:  # which is an OSError too
            await self.close_with(SLOW)
        except (OSError, RuntimeError):  # uvicorn's word, and Daphne's, for a peer that is gone
            self._closed = True

    async def heartbeat(self) -> None:
        """Say something on a silent socket, so that every box between the two knows it lives."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            silent_for = loop.time() - self._sent_at
            if silent_for >= frames.HEARTBEAT_SECONDS:
                await self.write(frames.PING)
                silent_for = 0.0
            await asyncio.sleep(frames.HEARTBEAT_SECONDS - silent_for)

    async def close_with(self, code: int) -> None:
        """Close, with the reason as a code; what is going on for this socket ends."""
        if self._closed:
            return
        self._closed = True
        self._end_tasks()
        try:
            # A peer that does not read does not take the reason either.
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.close(code)
        except (OSError, RuntimeError):  # it was closed by the other side in this very moment
            logger.debug("the peer was gone before it was told")

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def left(self) -> None:
        """The socket is gone: let go of what it held."""

    def _end_tasks(self) -> None:
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()


class ThreadConsumer(Socket):
    """One tab on one thread."""

    async def open(self) -> None:
        try:
            self._thread_id = UUID(self.scope["url_route"]["kwargs"]["thread_id"])
        except ValueError:
            raise NotFound("There is no such thread.") from None
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        after = opening.parse_after(query.get("after", [None])[0])
        self._unreceived: deque[tuple[int, int]] = deque()
        self._unreceived_bytes = 0
        self._room = asyncio.Event()
        self._bad_frames = 0
        self._refused = 0
        self._waiting: asyncio.Queue[commands.Durable] = asyncio.Queue(COMMANDS_WAITING_MAX)
        self._opening = await opening.enter(self.user, self._thread_id, after)
        self.spawn(self._follow())
        self.spawn(self._obey())
        self.spawn(self.heartbeat())

    async def _follow(self) -> None:
        """Write the thread's stream, from where the client is, for as long as the socket is open."""
        entered = self._opening
        await self.write(frames.hello(self._thread_id, entered.head))
        async for frame in entered.replay():
            await self._write_counted(frame)
        await self.write(frames.caught_up(entered.head))
        while not entered.subscription.ended:
            try:
                ready = await entered.subscription.next()
            except db.DOWN:
                # The socket stays; the log is asked again when the hub has found it.
                await asyncio.sleep(1.0)
                continue
            for frame in ready:
                await self._write_counted(frame)
        await self.close_with(NO_SUCH_THREAD)

    async def _write_counted(self, frame: Frame) -> None:
        """Write a frame of the log when the client has room for it: it says by `received` how far it has read."""
        size = len(frame.text) if frame.text.isascii() else len(frame.text.encode())
        while self._unreceived and self._unreceived_bytes + size > UNRECEIVED_BYTES_MAX:
            self._room.clear()
            try:
                async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                    await self._room.wait()
            except TimeoutError:
                await self.close_with(SLOW)
                raise asyncio.CancelledError from None
        self._unreceived.append((frame.seq, size))
        self._unreceived_bytes += size
        await self.write(frame.text)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self._closed or self.user is None:
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
            await self._take(command)
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

    async def _take(self, command: commands.Command) -> None:
        match command:
            case commands.Received():
                self._receive_up_to(command.seq)
            case commands.Ping():
                limits.command(self.user.pk)
                self._refused = 0
                # Waited for: who does not read the answers is not read from either.
                await self.write(frames.pong(command.id))
            case _:
                limits.command(self.user.pk)
                try:
                    self._waiting.put_nowait(command)
                except asyncio.QueueFull:
                    raise RateLimited(
                        "Too many commands are waiting on this socket.", retry_after_seconds=1.0
                    ) from None
                self._refused = 0

    def _receive_up_to(self, seq: int) -> None:
        while self._unreceived and self._unreceived[0][0] <= seq:
            self._unreceived_bytes -= self._unreceived.popleft()[1]
        self._room.set()

    async def _obey(self) -> None:
        """Carry the commands out, in their order."""
        while True:
            command = await self._waiting.get()
            try:
                answer = await in_thread(runs.honour, self.user, self._thread_id, command)
            except ChatError as problem:
                await self.write(frames.error(command.id, problem))
            except Exception:
                logger.exception("a command ended by an error")
                await self.write(
                    frames.error(command.id, Unavailable("Something went wrong here. Try again."))
                )
            else:
                await self.write(frames.ack(command.id, answer))

    async def left(self) -> None:
        if hasattr(self, "_opening"):
            await self._opening.close()


class ThreadListConsumer(Socket):
    """A tab's list of threads: all of it first, then what changes. No log: each frame says how things are now."""

    RELIST_SECONDS = 30.0

    async def open(self) -> None:
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        await groups.exchange().join(groups.user(self.user.pk), self._hear)
        self.spawn(self._follow())
        self.spawn(self.heartbeat())

    def _hear(self, message: dict[str, Any]) -> None:
        if "thread_id" in message:
            self._changed[message["thread_id"]] = None
            self._wake.set()

    async def _follow(self) -> None:
        listed: str | None = None
        while True:
            # Now and then all of it again: what the channel layer did not bring is put right by that.
            text = frames.threads((await in_thread(threads.entries, self.user, limit=200))["threads"])
            if text != listed:
                listed = text
                await self.write(text)
            try:
                async with asyncio.timeout(self.RELIST_SECONDS):
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await self._tell_changed()
            except TimeoutError:
                continue

    async def _tell_changed(self) -> None:
        while self._changed:
            thread_id, _ = self._changed.popitem()
            entry = await in_thread(threads.find_entry, self.user, UUID(thread_id))
            if entry is None:
                await self.write(frames.thread_removed(thread_id))
            else:
                await self.write(frames.thread_changed(entry))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Nothing is asked for on this socket."""

    async def left(self) -> None:
        if hasattr(self, "_changed"):
            await groups.exchange().leave(groups.user(self.user.pk), self._hear)
