"""Merging what a model says before it enters LangGraph.

Every chunk costs 0.2 to 0.5 ms of CPU in LangChain, LangGraph and the log together, whatever its
length. A model that speaks 50 times a second is therefore heard here first: its words are gathered
for a short window and go on as one chunk; the window grows with the load (ticks.py). Nothing that was
heard waits longer than the window, the first words and the last do not wait at all, and the order of text,
reasoning and tool calls is kept.

This module knows LangChain's chunk types and asyncio, no provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.utils import LC_ID_PREFIX

from chat.agent import history, ticks, voice
from chat.agent.ticks import WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A fragment of a tool call; the fragments of one call share its `index`."""

    index: int
    id: str | None
    name: str | None
    args: str


Kind = str
TEXT, REASONING, TOOL_CALLS, CHUNKS = "text", "reasoning", "tool_calls", "chunks"

Run = tuple[Kind, list[Any]]
"""Neighbouring pieces of one kind."""


class Batch:
    """What a model has said since it was last heard, in order.

    The speaker adds with `text`, `reasoning`, `tool_call` and `chunk`; none of them waits or fails.
    The hearer awaits `due` and then takes it all with `take`. What the speaker flushes is taken by `hear` right there,
    if it is given: a task that is woken for every word is much of what the word costs.
    """

    def __init__(self, *, window_seconds: float, hear: Callable[[], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._beat = ticks.beat()
        self._longest_seconds = window_seconds
        self._hear = hear
        self._runs: list[Run] = []
        self._kind: Kind = ""
        self._pieces: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._not_before = 0.0
        self._is_due = False
        self._spoke = False
        self._ended = False
        self.held = False
        """Whether the speaker says itself, by `flush`, when something is due; then there are no windows."""

    def text(self, text: str) -> None:
        """Add to the answer's text."""
        if self._kind is TEXT:
            self._pieces.append(text)
        else:
            self._begin(TEXT, text)
            if not self._spoke:
                # Somebody waits for the first word; reasoning before it must not make it late.
                self._spoke = True
                self.flush()

    def reasoning(self, text: str) -> None:
        """Add to the model's reasoning (`additional_kwargs["reasoning_content"]`)."""
        self._add(REASONING, text)

    def tool_call(self, piece: ToolCallPiece) -> None:
        """Add a fragment of a tool call."""
        self._add(TOOL_CALLS, piece)

    def chunk(self, chunk: ChatGenerationChunk) -> None:
        """Add a ready chunk. Neighbours that say the same kind of thing go on as one."""
        kind = f"{CHUNKS}/{_kind_of(chunk)}"
        if self._kind == kind:
            self._pieces.append(chunk)
        elif chunk.text and not self._spoke:
            self._begin(kind, chunk)
            self._spoke = True
            self.flush()
        else:
            self._begin(kind, chunk)

    def flush(self) -> None:
        """What is here is due now."""
        if not self._runs:
            return
        if self._hear is not None:
            self._hear()
        else:
            self._wake()

    @property
    def ended(self) -> bool:
        return self._ended

    def end(self) -> None:
        """Nothing more will be said: what is here is due now."""
        self._ended = True
        self._wake()

    async def due(self) -> None:
        """Wait until there is something to take, or the end."""
        if not self._is_due:
            self._waiter = self._loop.create_future()
            await self._waiter

    def take(self) -> list[Run]:
        """What was said since the last time, and begin the next window."""
        self.cancel()
        self._is_due = self._ended
        runs, self._runs, self._kind = self._runs, [], ""
        if not self.held:
            self._not_before = self._beat.due(self._longest_seconds)
        return runs

    def cancel(self) -> None:
        """Stop the window's timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _add(self, kind: Kind, piece: Any) -> None:
        if self._kind is kind:
            self._pieces.append(piece)
        else:
            self._begin(kind, piece)

    def _begin(self, kind: Kind, piece: Any) -> None:
        self._kind = kind
        self._pieces = [piece]
        self._runs.append((kind, self._pieces))
        if self._timer is None and not self._is_due and not self.held:
            if self._loop.time() >= self._not_before:
                self._wake()
            else:
                self._timer = self._loop.call_at(self._not_before, self._wake)

    def _wake(self) -> None:
        self._is_due = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def gather(
    read: Callable[[Batch], Coroutine[Any, Any, None]],
    *,
    window_seconds: float = WINDOW_SECONDS,
    provider: str | None = None,
    listener: voice.Listener | None = None,
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """Yield what `read` adds to its batch, merged by window; with a `listener` tell it so, and yield all at the end.

    `read` runs in its own task, so it is never held up by the one who listens. When it raises, what
    it had added comes first and then its exception. Closing or cancelling the generator cancels
    `read` and waits until it has let go of its connection.
    """
    message_id = f"{LC_ID_PREFIX}-{uuid4()}"
    whole: list[Run] = []

    def hear() -> None:
        for kind, pieces in batch.take():
            if listener is not None and (said := _said(message_id, kind, pieces)) is not None:
                listener(said)
            if whole and whole[-1][0] == kind:
                whole[-1][1].extend(pieces)
            else:
                whole.append((kind, pieces))

    batch = Batch(window_seconds=window_seconds, hear=hear if listener is not None else None)
    task = asyncio.create_task(read(batch))
    task.add_done_callback(lambda _: batch.end())
    try:
        with ticks.beat().joined():
            ended = False
            while not ended:
                await batch.due()
                ended = batch.ended
                if listener is not None:
                    hear()
                else:
                    for kind, pieces in batch.take():
                        yield _merged(kind, pieces, provider)
        await task
        for kind, pieces in whole:
            chunk = _merged(kind, pieces, provider)
            chunk.message.id = message_id
            yield chunk
    finally:
        batch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen: else asyncio logs it when nobody listened to the end


def _said(message_id: str, kind: Kind, pieces: list[Any]) -> voice.Said | None:
    if kind is TEXT:
        return voice.Said(message_id, text="".join(pieces))
    if kind is REASONING:
        return voice.Said(message_id, reasoning="".join(pieces))
    if kind is TOOL_CALLS:
        return None
    text = "".join(history.text(chunk.message) for chunk in pieces)
    reasoning = "".join(history.reasoning(chunk.message) for chunk in pieces)
    return voice.Said(message_id, text, reasoning) if text or reasoning else None


def _merged(kind: Kind, pieces: list[Any], provider: str | None) -> ChatGenerationChunk:
    metadata = {"model_provider": provider} if provider else {}
    if kind is TEXT:
        message = AIMessageChunk(content="".join(pieces), response_metadata=metadata)
    elif kind is REASONING:
        said = {"reasoning_content": "".join(pieces)}
        message = AIMessageChunk(content="", additional_kwargs=said, response_metadata=metadata)
    elif kind is TOOL_CALLS:
        calls = [
            tool_call_chunk(name=call.name, args=call.args, id=call.id, index=call.index)
            for call in _joined(pieces)
        ]
        message = AIMessageChunk(content="", tool_call_chunks=calls, response_metadata=metadata)
    else:
        return pieces[0] if len(pieces) == 1 else cast(ChatGenerationChunk, pieces[0] + pieces[1:])
    return ChatGenerationChunk(message=message)


def coalesce(
    source: AsyncIterator[ChatGenerationChunk], *, window_seconds: float = WINDOW_SECONDS
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """`gather` over a stream of ready chunks, for models whose stream is not ours to read."""

    async def read(batch: Batch) -> None:
        if isinstance(source, AsyncGenerator):
            async with aclosing(source):
                async for chunk in source:
                    batch.chunk(chunk)
        else:
            async for chunk in source:
                batch.chunk(chunk)

    return gather(read, window_seconds=window_seconds)


def _kind_of(chunk: ChatGenerationChunk) -> str:
    """What a ready chunk says, so that a merge never moves text across a tool call."""
    message = chunk.message
    if not isinstance(message, AIMessageChunk):
        return type(message).__name__
    said = []
    if message.content:
        said.append("content" if isinstance(message.content, str) else "blocks")
    if message.tool_call_chunks:
        said.append(TOOL_CALLS)
    if "reasoning_content" in message.additional_kwargs:
        said.append(REASONING)
    return "+".join(said)


def _joined(pieces: list[ToolCallPiece]) -> list[ToolCallPiece]:
    """One piece per call, in the order in which the calls first appear."""
    calls: dict[int, list[ToolCallPiece]] = {}
    for piece in pieces:
        calls.setdefault(piece.index, []).append(piece)
    return [
        ToolCallPiece(
            index,
            next((piece.id for piece in parts if piece.id), None),
            "".join(piece.name for piece in parts if piece.name) or None,
            "".join([piece.args for piece in parts]),
        )
        for index, parts in calls.items()
    ]
