"""A client that reads nothing."""

from __future__ import annotations

import base64
import secrets
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.client import Person


class Deaf:
    """A WebSocket client over a bare socket that reads nothing after the handshake.

    Neither end's kernel keeps much for it: with segments as large as a loopback has them, the server's takes megabytes.
    """

    def __init__(self, person: Person, port: int, thread_id: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.connect(("127.0.0.1", port))
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            f"GET /ws/threads/{thread_id}/ HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {person.token}",
        )
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert self.socket.recv(12) == b"HTTP/1.1 101"

    def say(self, text: str) -> bool:
        """Send a text frame, if the server still takes it."""
        data = text.encode()
        length = (
            bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack(">H", len(data))
        )
        self.socket.settimeout(1)
        try:
            self.socket.sendall(b"\x81" + length + bytes(4) + data)
        except OSError:
            return False
        return True

    def is_let_go(self) -> bool:
        """Whether the server has ended the connection: read what is left of it."""
        self.socket.settimeout(45)
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True
