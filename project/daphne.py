"""Daphne, made to start and stop what a process has beside its requests.

Daphne has no lifespan events, ends its applications as soon as its reactor begins to stop, cannot send the close code
that tells a client that the server restarts, and keeps whatever a client sends in one request or does not read, without
bound. Under another server nothing here takes effect.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from daphne import cli, http_protocol
from daphne.access import AccessLogGenerator
from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings

from project import leaving

LOOK_SECONDS = 0.02
LEAVE_SECONDS = 5.0
MESSAGES_WAITING_MAX = 100


class _Reading:
    """Twisted's push producer: it reads from a client for as long as the client reads what it is sent.

    Without it, answers to somebody who only asks would pile up here.
    """

    def __init__(self, transport: Any, waiting: Callable[[], int]) -> None:
        self._transport = transport
        self._waiting = waiting
        self._is_held = False

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name, like those below
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        if self._transport.disconnecting:
            self._transport.startWriting()  # Twisted waits for nothing else, but forgets that it was to close
        elif not self._is_held:
            self._transport.resumeProducing()

    def hold(self) -> None:
        """Read nothing more until most of what was read is dealt with."""
        if not self._is_held and self._waiting() > MESSAGES_WAITING_MAX:
            self._is_held = True
            self._transport.pauseProducing()
            self._look()

    def _look(self) -> None:
        if self._waiting() > MESSAGES_WAITING_MAX / 2:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
            return
        self._is_held = False
        if not self._transport.producerPaused:
            self.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone."""


_send = Server.handle_reply


async def _send_and_wait(server: Server, protocol: Any, message: dict[str, Any]) -> None:
    """Send, and return when there is room for more: Daphne's own never waits for a client that does not read."""
    await _send(server, protocol, message)
    transport = getattr(protocol, "transport", None)
    while getattr(transport, "producerPaused", False) and protocol in server.connections:
        await asyncio.sleep(LOOK_SECONDS)


class _Protocol(WebSocketProtocol):  # type: ignore[misc]
    def makeConnection(self, transport: Any) -> None:  # noqa: N802  Twisted's name
        transport.unregisterProducer()  # the HTTP channel that it was before
        self._reading = _Reading(transport, lambda: self.application_queue.qsize())
        transport.registerProducer(self._reading, True)
        super().makeConnection(transport)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803  Autobahn's names
        super().onMessage(payload, isBinary)
        self._reading.hold()

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  Daphne's name
        # Autobahn refuses codes that it thinks an application must not use; RFC 6455's registry has 1012 for servers.
        self.sendCloseFrame(code=1000 if code is None else code)


class _Request(WebRequest):  # type: ignore[misc]
    """Keeps no body that project/bodies.py refuses: of such a one it hands on how long it was, and nothing else."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802  Twisted's name, like the next
        super().gotLength(length)
        self._received = 0
        self._is_kept = length is None or length <= settings.BODY_BYTES_MAX

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._received += len(data)
        if self._is_kept and self._received > settings.BODY_BYTES_MAX:
            self._is_kept = False
            self.content.truncate(0)
        if self._is_kept:
            super().handleContentChunk(data)

    def process(self) -> Any:
        if not self._is_kept:
            self.requestHeaders.setRawHeaders(b"Content-Length", [b"%d" % self._received])
        return super().process()


class _AccessLog(AccessLogGenerator):  # type: ignore[misc]
    def write_entry(self, host: str, date: datetime, request: str, **details: Any) -> None:
        # What people search for stands in the query, and is for no log.
        super().write_entry(host, date, request.partition("?")[0], **details)


def follow(start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
    """Start with Daphne's reactor, and answer SIGTERM and SIGINT by stopping in order before the reactor does."""
    from twisted.internet import reactor

    http_protocol.WebRequest = _Request
    WebSocketFactory.protocol = _Protocol
    Server.handle_reply = _send_and_wait
    cli.AccessLogGenerator = _AccessLog
    tasks: list[asyncio.Future[None]] = []
    stopping = False

    def halt() -> None:
        reactor.stop()  # type: ignore[misc]  # its stub lacks the self of a method

    def ended(_: object) -> None:
        leaving.within(LEAVE_SECONDS)
        if reactor.running:
            halt()

    def begin() -> None:
        # By now Twisted has put its own handlers in place.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reactor.callFromThread(end))
        tasks.append(asyncio.ensure_future(start()))

    def end() -> None:
        nonlocal stopping
        if stopping:  # asked twice: at once
            halt()
            return
        stopping = True
        tasks.append(asyncio.ensure_future(stop()))
        tasks[-1].add_done_callback(ended)

    reactor.callWhenRunning(begin)
