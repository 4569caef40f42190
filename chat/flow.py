"""Flow control: how much of what a client was sent has yet to be received. The log is the buffer behind it."""

from __future__ import annotations

UNRECEIVED_BYTES_MAX = 1024 * 1024
MARK_BYTES = 16 * 1024
"""Frames are counted together up to so much: an entry for each would be most of what a slow client costs."""


class Unreceived:
    """What one client has yet to receive."""

    __slots__ = ("_bytes", "_marks")

    def __init__(self) -> None:
        self._bytes = 0
        self._marks: list[tuple[int, int]] = []

    def has_room(self, size: int) -> bool:
        """Whether a frame of so many bytes may be sent; one of any size where nothing is under way."""
        return self._bytes + size <= UNRECEIVED_BYTES_MAX or not self._marks

    def send(self, seq: int, size: int) -> None:
        """The event `seq` is sent."""
        self._bytes += size
        if self._marks and self._marks[-1][1] + size <= MARK_BYTES:
            size += self._marks.pop()[1]
        self._marks.append((seq, size))

    def receive(self, seq: int) -> None:
        """The client has everything up to `seq`."""
        received = 0
        for last, size in self._marks:
            if last > seq:
                break
            self._bytes -= size
            received += 1
        del self._marks[:received]
