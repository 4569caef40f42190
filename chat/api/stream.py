"""A thread's events as Server-Sent Events: the socket's frames, for a client that only reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from chat import access, db, doors, frames, opening, process, sockets
from chat.access import Credential
from chat.errors import ChatError, Unavailable


async def events(request: HttpRequest, thread_id: UUID) -> HttpResponseBase:
    """`GET /threads/{id}/events?after=`: hello, replay or snapshot, caught_up, then events as they happen."""
    if request.method != "GET":
        return HttpResponse(status=405, headers={"Allow": "GET"})
    await process.start()
    shown = access.credential(request.headers.get("Authorization"), request.COOKIES)
    after = opening.parse_after(request.headers.get("Last-Event-ID") or request.GET.get("after"))
    pieces = _Stream(thread_id, after).read(shown)
    try:
        first = await anext(pieces)
    except ChatError as problem:
        return JsonResponse(problem.as_dict(), status=problem.status)
    except db.DOWN:
        down = Unavailable("The database does not answer right now. Try again in a moment.")
        return JsonResponse(down.as_dict(), status=down.status)
    response = StreamingHttpResponse(_whole(first, pieces), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


class _Stream:
    """One reader. What it has not taken yet waits in the log, for only one piece is written at a time."""

    def __init__(self, thread_id: UUID, after: int | None) -> None:
        self._thread_id = thread_id
        self._after = after
        self._entered: opening.Opening | None = None
        self._is_closed = False
        self._is_ready = asyncio.Event()

    async def read(self, shown: Credential | None) -> AsyncGenerator[str]:
        """Raises NotSignedIn, RateLimited, NotFound, Unavailable before the first piece. All that is held is let go
        at its end."""
        sockets.add(self)
        try:
            if process.is_stopping():  # those that were open have been told already
                raise Unavailable("This server is restarting. Try again in a moment.")
            user_id = await doors.watch().enter(shown, self)
            self._entered = entered = await opening.enter(
                user_id, self._thread_id, self._after, self._is_ready.set
            )
            yield _line("hello", frames.hello(self._thread_id, entered.head))
            async for frame in entered.replay():
                yield _line(frames.type_of(frame.text), frame.text, frame.seq)
            yield _line("caught_up", frames.caught_up(entered.head))
            said_at = time.monotonic()
            while not (self._is_closed or entered.subscription.ended):
                self._is_ready.clear()
                ready = await entered.subscription.ready()
                for frame in ready:
                    yield _line(frames.type_of(frame.text), frame.text, frame.seq)
                if ready or not (entered.subscription.behind or await self._is_woken()):
                    said_at = time.monotonic()
                    if not ready:
                        yield _STILL_HERE
                elif (
                    time.monotonic() - said_at > frames.HEARTBEAT_SECONDS
                ):  # behind, while the log does not answer
                    said_at = time.monotonic()
                    yield _STILL_HERE
        finally:
            sockets.discard(self)
            doors.watch().leave(self)
            if self._entered is not None:
                await self._entered.close()

    async def _is_woken(self) -> bool:
        try:
            async with asyncio.timeout(frames.HEARTBEAT_SECONDS):
                return await self._is_ready.wait()
        except TimeoutError:
            return False

    async def close_with(self, code: int) -> None:
        self._is_closed = True
        self._is_ready.set()


async def _whole(first: str, rest: AsyncGenerator[str]) -> AsyncIterator[str]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


_STILL_HERE = ": still here\n\n"


def _line(type_: str, text: str, seq: int | None = None) -> str:
    number = f"id: {seq}\n" if seq is not None else ""
    return f"{number}event: {type_}\ndata: {text}\n\n"
