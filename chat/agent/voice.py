"""A model's words on their way out, past LangChain.

An `AIMessageChunk` and its way through LangChain's callbacks cost a quarter of a millisecond. Where somebody listens,
a model of ours tells the words of each window here, as they are, and gives LangChain its message whole, at the end.
What is stored and what a checkpoint holds is the same either way. LangGraph's own stream, which wakes three tasks for
whatever comes through it, has the first words of a message only: see `Line`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Said(NamedTuple):
    """A piece of what a model says; `message_id` is the id of the message that it will be part of."""

    message_id: str
    text: str = ""
    reasoning: str = ""


Listener = Callable[[Said], object]


class Line:
    """The way of a run's words to who tells them: the run's stream, and past it while nothing in it stands before them.

    `tell` tells a piece at once, or answers that it cannot, and then the piece goes through the stream. Whoever reads
    the stream calls `close` before and `open` after what each part of it needs.
    """

    def __init__(self, tell: Callable[[Said], bool]) -> None:
        self._tell = tell
        self._in_stream = 0
        self._open_for: str | None = None

    def close(self) -> None:
        """A part of the stream is being told: what is said meanwhile comes behind it."""
        self._open_for = None

    def open(self, told: object) -> None:
        """That part was told. Of a message whose words come by it, nothing that is not its words is on the way."""
        if isinstance(told, Said):
            self._in_stream -= 1
            self._open_for = told.message_id

    def through(self, stream: Listener) -> Listener:
        """What hears a model whose run has this stream."""

        def hear(said: Said) -> None:
            if self._in_stream or self._open_for != said.message_id or not self._tell(said):
                self._in_stream += 1
                stream(said)

        return hear


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def listener() -> Listener | None:
    """Who hears the model that is called now."""
    return _listener.get()


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let the listener hear the models that are called within."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
