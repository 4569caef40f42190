"""A WebSocket client that costs the load generator next to nothing: it shares a core with Postgres and the model.

Only what loopback servers need: no TLS, no compression, and a server that keeps the protocol. What a correct client
must check is checked by the tests; this one measures.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable, Mapping
from typing import cast

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_ZERO_MASK = b"\0\0\0\0"


class HandshakeRefused(Exception):
    """The server answered the handshake with something else than 101; the text is its first line."""


class WebSocket(asyncio.Protocol):
    """One connection; `hear` gets each text frame, in order, as bytes."""

    def __init__(self, head: bytes, hear: Callable[[bytes], None]) -> None:
        self._head = head
        self._hear = hear
        self._buffer = bytearray()
        self._pieces = b""
        self._transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._code = 1006
        self._reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's classes
        self._transport.write(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(HandshakeRefused("the connection was closed"))
        if not self.closed.done():
            self.closed.set_result(self._code)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.opened.done():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                line = bytes(self._buffer).partition(b"\r\n")[0].decode("latin-1")
                self.opened.set_exception(HandshakeRefused(line))
                self._transport.abort()
                return
            del self._buffer[: end + 4]
            self.opened.set_result(None)
        if self._reading:
            self._read_frames()

    def begin(self) -> None:
        """Hand frames on from the loop's next turn on: whoever opened the socket then knows it."""
        self._reading = True
        asyncio.get_running_loop().call_soon(self._read_frames)

    def _read_frames(self) -> None:
        buffer = self._buffer
        at, have = 0, len(buffer)
        while have - at >= 2:
            size, start = buffer[at + 1] & 127, at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if have < start + size or have < start:
                break
            self._frame(buffer[at], bytes(buffer[start : start + size]))
            at = start + size
        del buffer[:at]

    def _frame(self, first: int, data: bytes) -> None:
        kind = first & 15
        if kind in (0, TEXT):
            self._pieces += data
            if first & 128:
                whole, self._pieces = self._pieces, b""
                self._hear(whole)
        elif kind == PING:
            self._write(PONG, data)
        elif kind == CLOSE:
            self._code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
            self._transport.close()

    def send(self, text: bytes) -> None:
        self._write(TEXT, text)

    def _write(self, kind: int, data: bytes) -> None:
        # A mask of zeros is a mask; it leaves the bytes as they are.
        size = len(data)
        if size < 126:
            head = bytes((128 | kind, 128 | size))
        elif size < 1 << 16:
            head = bytes((128 | kind, 254)) + size.to_bytes(2, "big")
        else:
            head = bytes((128 | kind, 255)) + size.to_bytes(8, "big")
        self._transport.write(head + _ZERO_MASK + data)

    def close(self) -> None:
        """Say good-bye and hang up."""
        if not self._transport.is_closing():
            self._write(CLOSE, (1000).to_bytes(2, "big"))
            self._transport.close()


async def connect(
    port: int, path: str, hear: Callable[[bytes], None], headers: Mapping[str, str] | None = None
) -> WebSocket:
    """Open a socket on the loopback address. Raises HandshakeRefused."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: WebSocket(head, hear), "127.0.0.1", port)
    await socket.opened
    socket.begin()
    return socket
