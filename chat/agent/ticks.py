"""The beat at which the models' streams are heard, as soon as there are several.

A word that is heard by itself wakes the process for the model's socket, for the log's commit and for the browser's
socket: ten conversations at 50 words a second would do each of it 500 times a second. So several streams are left
unread, and at a tick all of them are read in one turn of the loop: one wake-up, one batch of the log, and the frames
leave one after the other. Few streams are heard as they come; the more there are, the more ticks one lets pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

FEW = 3
"""So many streams are heard as they come."""

TICK_SECONDS = 0.014
"""Of ten conversations a word waits half of it: the most that leaves its delay below 10 ms."""

EARLY_SECONDS = 0.002
"""So much before its time, by the loop's rounding, a tick may come and still be that tick."""

WINDOW_SECONDS = 0.06
"""The longest window: what a busy process makes a word wait at the most."""

WINDOW_SECONDS_A_STREAM = 0.0025
"""How the window grows with the streams at work: alone a word goes on as it comes, among many it waits for company.

So a quiet process adds next to nothing to a word, and a busy one spends its core on few, long chunks.
"""


class Ear:
    """How one stream is listened to: as it comes, or at ticks."""

    __slots__ = ("_beat", "_listen", "rests", "waits")

    def __init__(self, listen: Callable[[bool], None] | None) -> None:
        """`listen` turns on and off whether the stream is read; without it the stream is heard as it comes."""
        self._beat = beat()
        self._listen = listen
        self.rests = False
        """Whether it hears at ticks only: what it hears then has waited long enough."""
        self.waits = False
        """Whether a tick will come to it."""

    def rest(self) -> None:
        """Hear at ticks from now on, where there are streams to share them with."""
        if not self.rests and self._listen is not None and self._beat.is_shared:
            self.rests = True
            self._listen(False)
            if not self.waits:
                self._beat.wait([self])

    def wake(self) -> None:
        """Hear what comes as it comes."""
        self.listen(True)
        self.rests = False

    def listen(self, listens: bool) -> None:
        """Open or shut it, if it rests."""
        if self.rests and self._listen is not None:
            self._listen(listens)


class Beat:
    """The streams that a loop hears."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._streams = 0
        self._waiting: dict[int, list[Ear]] = {}
        """Who listens again at the tick of this number."""

    @property
    def is_shared(self) -> bool:
        return self._streams > FEW

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count as a stream that is heard."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def due(self, longest_seconds: float) -> float:
        """The loop's time at which words that come from now on have waited long enough."""
        window = min(longest_seconds, WINDOW_SECONDS_A_STREAM * self._streams)
        if self.is_shared:
            return self._tick(window) * TICK_SECONDS
        return self._loop.time() + window

    def wait(self, ears: list[Ear]) -> None:
        """Open the ears at the next tick that is theirs, for as long as it takes to read what is there."""
        number = self._tick(min(WINDOW_SECONDS, WINDOW_SECONDS_A_STREAM * self._streams))
        waiting = self._waiting.get(number)
        if waiting is None:
            waiting = self._waiting[number] = []
            self._loop.call_at(number * TICK_SECONDS, self._open, number)
        for ear in ears:
            ear.waits = True
        waiting += ears

    def _tick(self, window_seconds: float) -> int:
        """The tick that ends a window which began with the last tick, however late that came; at least the next one."""
        last = int((self._loop.time() + EARLY_SECONDS) / TICK_SECONDS)
        return last + max(1, int(window_seconds / TICK_SECONDS))

    def _open(self, number: int) -> None:
        ears = self._waiting.pop(number)
        for ear in ears:
            ear.waits = False
            ear.listen(True)
        self._loop.call_soon(self._let_come, ears)

    def _let_come(self, ears: list[Ear]) -> None:
        # What is called soon comes before the sockets are looked at in one kind of loop, and behind it in another. When
        # it has come twice they have been looked at in either.
        self._loop.call_soon(self._shut, ears)

    def _shut(self, ears: list[Ear]) -> None:
        if not self.is_shared:
            for ear in ears:
                ear.wake()
            return
        resting = [ear for ear in ears if ear.rests and not ear.waits]
        for ear in resting:
            ear.listen(False)
        if resting:
            self.wait(resting)


_beats: WeakKeyDictionary[asyncio.AbstractEventLoop, Beat] = WeakKeyDictionary()


def beat() -> Beat:
    """The running loop's beat."""
    loop = asyncio.get_running_loop()
    found = _beats.get(loop)
    if found is None:
        found = _beats[loop] = Beat()
    return found
