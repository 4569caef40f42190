"""The data of server-sent events, from bytes that may be cut anywhere.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, as far as
chat completions use it: `event`, `id`, `retry` and comments are read over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLarge(ValueError):
    """An event of the stream is longer than 16 MiB."""


class EventData:
    """Feed it bytes as they come; it yields the data of each whole event, lines joined by a newline.

    An event that the stream ends in the middle of is dropped, as the specification says.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[bytes]:
        buffer = self._rest + received if self._rest else received
        held = b""
        if b"\r" in buffer:
            if buffer.endswith(b"\r"):
                # It may be half of a CRLF: what it ends is known with the next byte.
                buffer, held = buffer[:-1], b"\r"
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, rest = buffer.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event is longer than {MAX_EVENT_BYTES} bytes")
        for block in blocks:
            if block.startswith(b"data:") and b"\n" not in block:
                yield block[6:] if block.startswith(b"data: ") else block[5:]
            elif lines := _data_lines(block):
                yield b"\n".join(lines)


def _data_lines(block: bytes) -> list[bytes]:
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return lines
