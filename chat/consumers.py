"""The WebSockets: authorise, parse, call, write frames. No rule of the product lives here.

On a socket three things go on, none of which waits for another: what arrives is read at once, so that Stop and flow
control are never behind a slow command; commands are carried out one after the other; frames of the log's feed are
written as they come. The last two have a task only while there is something to wait for: an idle socket has none.
The channel layer is not asked here: the process listens once for all (groups.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import User

from chat import (
    access,
    commands,
    db,
    doors,
    flow,
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
        self.user_id: int | None = None
        self.spoke_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Channels' own gives every socket a channel of the layer, and closes old database connections in a thread
        # before every message. Here the process listens for all its sockets, and no socket holds a connection.
        self.scope, self.base_send = scope, send
        try:
            while True:
                await self.dispatch(await receive())
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
            self.user_id = await doors.watch().enter(shown, self)
            await self.open(self.user_id)
            # Else a heartbeat in this very moment would be heard before the hello.
            self.spoke_at = self._loop.time()
            sockets.keep_talking(self)
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

    async def open(self, user_id: int) -> None:
        raise NotImplementedError

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this for as long as the socket is open."""
        task = self._loop.create_task(self._guard(work))
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
        rest = self.begin_to_write(text)
        if rest is not None:
            await self.finish(rest)

    def begin_to_write(self, text: str) -> sockets.Rest | None:
        """Send a frame, or as much of that as needs no waiting; what is left is to be given to `finish`."""
        if self._closed:
            return None
        self.spoke_at = self._loop.time()
        try:
            return sockets.begin(self.base_send({"type": "websocket.send", "text": text}))
        except (OSError, RuntimeError):  # uvicorn's word, and Daphne's, for a peer that is gone
            self._closed = True
            return None

    async def finish(self, rest: sockets.Rest) -> None:
        """Send the rest of a frame, as soon as the peer reads."""
        try:
            async with asyncio.timeout(SLOW_CLIENT_SECONDS):
                await rest
        except TimeoutError:  # which is an OSError too
            await self.close_with(SLOW)
        except (OSError, RuntimeError):
            self._closed = True

    def beat(self) -> None:
        """Say something, so that every box between the two knows that the other lives."""
        rest = self.begin_to_write(frames.PING)
        if rest is not None:
            self.spawn(self.finish(rest))

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
            try:
                ready = await subscription.ready()
            except db.DOWN:
                # The socket stays; the log is asked again when the hub has found it.
                ready = ()
                await asyncio.sleep(1.0)
                continue
            if not ready:
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


class ThreadListConsumer(Socket):
    """A tab's list of threads: all of it first, then what changes. No log: each frame says how things are now."""

    RELIST_SECONDS = 30.0

    async def open(self, user_id: int) -> None:
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        await groups.exchange().join(groups.user(user_id), self._hear)
        self.spawn(self._follow(user_id))

    def _hear(self, message: dict[str, Any]) -> None:
        if "thread_id" in message:
            self._changed[message["thread_id"]] = None
            self._wake.set()

    async def _follow(self, user_id: int) -> None:
        listed: str | None = None
        while True:
            # Now and then all of it again: what the channel layer did not bring is put right by that.
            text = frames.threads((await in_thread(threads.entries, user_id, limit=200))["threads"])
            if text != listed:
                listed = text
                await self.write(text)
            try:
                async with asyncio.timeout(self.RELIST_SECONDS):
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await self._tell_changed(user_id)
            except TimeoutError:
                continue

    async def _tell_changed(self, user_id: int) -> None:
        while self._changed:
            thread_id, _ = self._changed.popitem()
            entry = await in_thread(threads.find_entry, user_id, UUID(thread_id))
            if entry is None:
                await self.write(frames.thread_removed(thread_id))
            else:
                await self.write(frames.thread_changed(entry))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Nothing is asked for on this socket."""

    async def left(self) -> None:
        if self.user_id is not None:
            await groups.exchange().leave(groups.user(self.user_id), self._hear)
