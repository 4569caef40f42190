"""A thread's events as Server-Sent Events: the socket's frames, for a client that only reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from chat import access, db, frames, opening, process, sockets
from chat.db import in_thread
from chat.errors import ChatError, NotSignedIn, Unavailable


async def events(request: HttpRequest, thread_id: UUID) -> HttpResponseBase:
    """`GET /threads/{id}/events?after=`: hello, replay or snapshot, caught_up, then events as they happen."""
    if request.method != "GET":
        return HttpResponse(status=405, headers={"Allow": "GET"})
    await process.start()
    try:
        user = await in_thread(_user, request)
        if user is None:
            raise NotSignedIn("Sign in, or send a token.")
        after = opening.parse_after(request.headers.get("Last-Event-ID") or request.GET.get("after"))
        entered = await opening.enter(user, thread_id, after)
    except ChatError as problem:
        return JsonResponse(problem.as_dict(), status=problem.status)
    except db.DOWN:
        down = Unavailable("The database does not answer right now. Try again in a moment.")
        return JsonResponse(down.as_dict(), status=down.status)
    response = StreamingHttpResponse(_Stream(thread_id, entered).read(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _user(request: HttpRequest) -> Any | None:
    token = access.bearer(request.headers.get("Authorization"))
    return access.user_of_token(token) if token is not None else access.user_of_session(request.COOKIES)


class _Stream:
    """One reader. What it has not taken yet waits in the log, for only one piece is written at a time."""

    def __init__(self, thread_id: UUID, entered: opening.Opening) -> None:
        self._thread_id = thread_id
        self._entered = entered

    async def read(self) -> AsyncIterator[str]:
        entered = self._entered
        sockets.add(self)
        try:
            yield _line("hello", frames.hello(self._thread_id, entered.head))
            async for frame in entered.replay():
                yield _line(frames.type_of(frame.text), frame.text, frame.seq)
            yield _line("caught_up", frames.caught_up(entered.head))
            while not entered.subscription.ended:
                try:
                    async with asyncio.timeout(frames.HEARTBEAT_SECONDS):
                        ready = await entered.subscription.next()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                except db.DOWN:
                    await asyncio.sleep(1.0)  # the stream stays; the log is asked again
                    continue
                for frame in ready:
                    yield _line(frames.type_of(frame.text), frame.text, frame.seq)
        finally:
            sockets.discard(self)
            await entered.close()

    async def close_with(self, code: int) -> None:
        self._entered.subscription.end()


def _line(type_: str, text: str, seq: int | None = None) -> str:
    number = f"id: {seq}\n" if seq is not None else ""
    return f"{number}event: {type_}\ndata: {text}\n\n"
