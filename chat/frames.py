"""The control frames: what the server says that is of no thread's log and has no `seq`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from chat.errors import ChatError

PROTOCOL = 1
HEARTBEAT_SECONDS: int = settings.HEARTBEAT_SECONDS
"""After so long a silence the server says something."""


def _dumps(**fields: Any) -> str:
    return orjson.dumps(fields).decode()


def hello(thread_id: UUID, seq: int) -> str:
    return _dumps(
        type="hello",
        protocol=PROTOCOL,
        thread_id=str(thread_id),
        seq=seq,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )


def snapshot(fields: dict[str, Any]) -> str:
    return _dumps(**fields)


def caught_up(seq: int) -> str:
    return _dumps(type="caught_up", seq=seq)


def ack(id_: str, answer: dict[str, Any]) -> str:
    return _dumps(type="ack", id=id_, **answer)


def error(id_: str | None, problem: ChatError) -> str:
    return _dumps(type="error", id=id_, **problem.as_dict())


def pong(id_: str) -> str:
    return _dumps(type="pong", id=id_)


def threads(entries: list[dict[str, Any]]) -> str:
    return _dumps(type="threads", threads=entries)


def thread_changed(entry: dict[str, Any]) -> str:
    return _dumps(type="thread_changed", thread=entry)


def thread_removed(thread_id: str) -> str:
    return _dumps(type="thread_removed", thread_id=thread_id)


PING = _dumps(type="ping")


def type_of(text: str) -> str:
    """The type of a frame that was encoded here or in events.py, which put it first or right behind `seq`."""
    return text.split('"type":"', 1)[1].split('"', 1)[0]
