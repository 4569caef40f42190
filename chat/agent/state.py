"""The graph's state: the messages of one path of a thread, stored as the differences that each step wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from langchain.agents import AgentState
from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    BaseMessageChunk,
    RemoveMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import REMOVE_ALL_MESSAGES

SNAPSHOT_EVERY = 2000
"""Writes between two whole copies of the messages: reading a thread replays at most so many writes."""


def merge(messages: list[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """The messages after `writes`, exactly as if `add_messages` had been called for one write after the other.

    One pass over all of them, because reading a thread replays its history through here. Unlike LangGraph's own batch
    reducer it honours REMOVE_ALL_MESSAGES, without which a summarised thread would grow back. Batching-invariant, as
    DeltaChannel asks: merge(merge(m, xs), ys) == merge(m, xs + ys).
    """
    merged: list[Any] = _typed(messages)
    place = _places(merged)
    for write in writes:
        fresh = _typed(write if isinstance(write, list) else [write])
        last_clear = _last_clear(fresh)
        if last_clear is not None:
            merged = fresh[last_clear + 1 :]
            place = _places(merged)
            continue
        removed: set[str | None] = set()
        for message in fresh:
            at = place.get(message.id)
            if isinstance(message, RemoveMessage):
                if at is None:
                    raise ValueError(f"Attempting to delete a message that is not there ({message.id!r}).")
                removed.add(message.id)
            elif at is None:
                place[message.id] = len(merged)
                merged.append(message)
            else:
                removed.discard(message.id)
                merged[at] = message
        if removed:
            merged = [message for message in merged if message.id not in removed]
            place = _places(merged)
    return merged


def _typed(messages: Sequence[Any]) -> list[Any]:
    """A new list of whole messages, each with an id."""
    typed: list[Any] = list(messages)
    # The few kinds are looked at instead of every message: a long history is all plain messages.
    if not all(
        issubclass(kind, BaseMessage) and not issubclass(kind, BaseMessageChunk)
        for kind in set(map(type, typed))
    ):
        typed = [
            message_chunk_to_message(m) if isinstance(m, BaseMessageChunk) else m
            for m in convert_to_messages(typed)
        ]
    for message in typed:
        if message.id is None:
            message.id = str(uuid4())
    return typed


def _places(messages: list[Any]) -> dict[str, int]:
    return {message.id: at for at, message in enumerate(messages)}


def _last_clear(messages: list[Any]) -> int | None:
    for at in range(len(messages) - 1, -1, -1):
        if isinstance(messages[at], RemoveMessage) and messages[at].id == REMOVE_ALL_MESSAGES:
            return at
    return None


class State(AgentState[Any]):
    """Whole lists of messages in every checkpoint would cost bytes in the square of the turns."""

    messages: Annotated[list[AnyMessage], DeltaChannel(merge, snapshot_frequency=SNAPSHOT_EVERY)]
