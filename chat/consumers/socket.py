"""What every socket does: lets a person in, reads at once, writes, says something now and then, closes with a reason.

An idle socket has no task. The channel layer is not asked here: the process listens once for all (groups.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from chat import access, db, doors, frames, process, sockets
from chat.errors import NotFound, NotSignedIn, RateLimited
from chat.sockets import NO_SUCH_THREAD, NOT_SIGNED_IN, RESTARTING, SLOW, TOO_MANY

logger = logging.getLogger(__name__)

SLOW_CLIENT_SECONDS: int = settings.SLOW_CLIENT_SECONDS
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
