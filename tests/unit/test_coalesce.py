"""Merging a model's words by window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from chat.agent import ticks
from chat.agent.coalesce import Batch, ToolCallPiece, coalesce, gather

WINDOW = 0.2
"""Long, so that what waits for it is seen to wait."""


@pytest.fixture(autouse=True)
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with work for the whole window: alone, a stream has hardly one."""
    monkeypatch.setattr(ticks, "WINDOW_SECONDS_A_STREAM", 10.0)


def shown(chunk: ChatGenerationChunk) -> Any:
    message = chunk.message
    assert isinstance(message, AIMessageChunk)
    if message.tool_call_chunks:
        return [(call["index"], call["id"], call["name"], call["args"]) for call in message.tool_call_chunks]
    return message.additional_kwargs.get("reasoning_content") or message.text


async def test_the_first_words_go_at_once_and_the_next_wait_for_company() -> None:
    async def read(batch: Batch) -> None:
        for word in "abcd":
            batch.text(word)
            await asyncio.sleep(0.01)
        await asyncio.sleep(10)

    loop = asyncio.get_running_loop()
    began, heard = loop.time(), []
    stream = gather(read, window_seconds=WINDOW)
    async for chunk in stream:
        heard.append((chunk.text, loop.time() - began))
        if len(heard) == 2:
            break
    await stream.aclose()
    assert [text for text, _ in heard] == ["a", "bcd"]
    assert heard[0][1] < WINDOW / 2
    # A pause in the stream sends what is there after the window, whoever is silent.
    assert WINDOW * 0.9 < heard[1][1] < WINDOW * 3


async def test_the_first_text_does_not_wait_behind_reasoning() -> None:
    async def read(batch: Batch) -> None:
        batch.reasoning("hm")
        await asyncio.sleep(0.01)
        batch.text("a")
        await asyncio.sleep(10)

    async with asyncio.timeout(WINDOW / 2):
        stream = gather(read, window_seconds=WINDOW)
        assert [shown(await anext(stream)), shown(await anext(stream))] == ["hm", "a"]
        await stream.aclose()


async def test_the_end_does_not_wait() -> None:
    async def read(batch: Batch) -> None:
        batch.text("a")
        await asyncio.sleep(0.01)
        batch.text("b")

    async with asyncio.timeout(WINDOW / 2):
        assert [shown(chunk) async for chunk in gather(read, window_seconds=WINDOW)] == ["a", "b"]


async def test_kinds_keep_their_order_and_merge_with_their_own() -> None:
    async def read(batch: Batch) -> None:
        for word in ("x", "y"):
            batch.reasoning(word)
        for word in ("a", "b"):
            batch.text(word)
        for piece in (
            ToolCallPiece(0, "c0", "paint", "{"),
            ToolCallPiece(1, "c1", "set", ""),
            ToolCallPiece(0, None, None, "}"),
            ToolCallPiece(1, None, None, "{}"),
        ):
            batch.tool_call(piece)
        batch.text("c")

    assert [shown(chunk) async for chunk in gather(read, window_seconds=WINDOW)] == [
        "xy",
        "ab",
        [(0, "c0", "paint", "{}"), (1, "c1", "set", "{}")],
        "c",
    ]


async def test_a_failure_comes_after_what_was_said_before_it() -> None:
    async def read(batch: Batch) -> None:
        batch.text("a")
        await asyncio.sleep(0.01)
        batch.text("b")
        raise LookupError("lost")

    heard = []

    async def listen() -> None:
        async for chunk in gather(read, window_seconds=WINDOW):
            heard.append(chunk.text)  # noqa: PERF401 - what came before the failure counts

    with pytest.raises(LookupError, match="lost"):
        await listen()
    assert heard == ["a", "b"]


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_a_listener_that_leaves_ends_the_reader_before_going_on(way: str) -> None:
    ended = []

    async def read(batch: Batch) -> None:
        try:
            batch.text("a")
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    stream = gather(read, window_seconds=WINDOW)
    assert (await anext(stream)).text == "a"
    if way == "close":
        await stream.aclose()
    else:
        listener = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        listener.cancel()
        await asyncio.wait([listener])
        assert listener.cancelled()
    assert ended == [True]


async def test_ready_chunks_lose_nothing_and_do_not_cross() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    call = tool_call_chunk(name="paint", args="{}", id="c", index=0)
    messages = [
        AIMessageChunk(content="a", response_metadata={"model_provider": "p"}),
        AIMessageChunk(content="b", response_metadata={"model_provider": "p"}),
        AIMessageChunk(content="", tool_call_chunks=[call]),
        AIMessageChunk(content="c"),
        AIMessageChunk(content="", usage_metadata=usage),
    ]

    async def source() -> AsyncIterator[ChatGenerationChunk]:
        for message in messages:
            yield ChatGenerationChunk(message=message)

    heard = [chunk async for chunk in coalesce(source(), window_seconds=WINDOW)]
    assert [shown(chunk) for chunk in heard] == ["ab", [(0, "c", "paint", "{}")], "c", ""]
    whole, plain = heard[0] + heard[1:], ChatGenerationChunk(message=messages[0] + messages[1:])
    assert whole.message == plain.message


async def test_alone_a_word_waits_hardly_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    async def read(batch: Batch) -> None:
        for word in "abc":
            batch.text(word)
            await asyncio.sleep(0.02)

    assert [shown(chunk) async for chunk in gather(read, window_seconds=WINDOW)] == ["a", "b", "c"]
