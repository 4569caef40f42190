"""A model's words on their way out, past LangChain.

An `AIMessageChunk` and its way through LangChain's callbacks cost a quarter of a millisecond. Where somebody listens,
a model of ours tells the words of each window here, as they are, and gives LangChain its message whole, at the end.
What is stored and what a checkpoint holds is the same either way.
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
