"""The cheap stream, held to ChatOpenAI's over the same bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI, StreamChunkTimeoutError

from chat.agent import transport, voice
from chat.agent.openai_stream import OpenAIStream, StreamCutOff
from tests.fakes.openai_server import FakeOpenAI

Json = dict[str, Any]
QUESTION = [HumanMessage("Hello")]
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server
    await transport.close()


def model(kind: type[ChatOpenAI], server: FakeOpenAI, **settings: Any) -> ChatOpenAI:
    # A timeout object keeps LangChain from sharing one HTTP client between event loops.
    settings = {"timeout": openai.Timeout(5), "stream_chunk_timeout": 5, "stream_usage": True, **settings}
    return kind(model="fake", api_key="key", base_url=server.base_url, **settings)


async def heard(chat: ChatOpenAI, **kwargs: Any) -> AIMessageChunk:
    """Everything a stream said, merged as LangGraph merges it."""
    async with asyncio.timeout(10):
        chunks = [chunk async for chunk in chat.astream(QUESTION, **kwargs)]
    first, *rest = chunks
    return first + rest if rest else first


def said(message: AIMessageChunk) -> Json:
    """What must be equal: all but the message's id, which is new each time."""
    return message.model_dump(include={"content", "tool_calls", "invalid_tool_calls"}) | {
        "usage": message.usage_metadata,
        "kwargs": message.additional_kwargs,
        "metadata": message.response_metadata,
    }


async def both(server: FakeOpenAI, turn: Json, **kwargs: Any) -> tuple[AIMessageChunk, AIMessageChunk]:
    server.script(turn, turn)
    return await heard(model(ChatOpenAI, server), **kwargs), await heard(
        model(OpenAIStream, server), **kwargs
    )


def event(delta: Any, finish_reason: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake-2"}
    return "data: " + json.dumps({**head, "choices": [choice], **more}, ensure_ascii=False) + "\n\n"


def call(index: int | None, args: str | None, id: str | None = None, name: str | None = None) -> Json:  # noqa: A002
    piece: Json = {"function": {"arguments": args}}
    if index is not None:
        piece["index"] = index
    if id is not None:
        piece |= {"id": id, "type": "function"}
        piece["function"]["name"] = name
    return {"tool_calls": [piece]}


DONE = "data: [DONE]\n\n"
HELLO = [
    event({"role": "assistant", "content": ""}),
    event({"content": "Grüße 🦊"}),
    event({"content": " all"}),
]
STOP = event({}, "stop", system_fingerprint="fp", service_tier="flex")
USED = "data: " + json.dumps({"choices": [], "usage": USAGE, "service_tier": "flex"}) + "\n\n"

EQUAL: dict[str, list[str]] = {
    "plain": [*HELLO, STOP, USED, DONE],
    "no [DONE]": [*HELLO, STOP, USED],
    "no usage": [*HELLO, STOP, DONE],
    "comments": [": ping\n\n", *HELLO, ": ping\n", STOP, ":\n\n", USED, DONE],
    "no space after data": [line.replace("data: ", "data:") for line in (*HELLO, STOP, USED, DONE)],
    "other fields": ["event: message\nid: 1\nretry: 5\n" + HELLO[0], *HELLO[1:], STOP, DONE],
    "carriage returns": [line.replace("\n", "\r\n") for line in (*HELLO, STOP, USED, DONE)],
    "data over two lines": ["".join((*HELLO, STOP)).replace('"choices"', '\ndata: "choices"'), DONE],
    "escaped characters": [
        json.dumps("x")[:0] + event({"content": "x"}).replace('"x"', '"\\ud83e\\udd8a"'),
        STOP,
        DONE,
    ],
    "role in every chunk": [event({"role": "assistant", "content": word}) for word in "abc"] + [STOP, DONE],
    "null content": [
        event({"role": "assistant", "content": None}),
        *HELLO,
        event({"content": None}),
        STOP,
        DONE,
    ],
    "null delta": [*HELLO, event(None), STOP, DONE],
    "empty choices first": [
        "data: " + json.dumps({"choices": [], "prompt_filter_results": []}) + "\n\n",
        *HELLO,
        STOP,
    ],
    "last word with the finish": [*HELLO, event({"content": "!"}, "length"), DONE],
    "usage with the finish": [*HELLO, event({}, "stop", usage=USAGE), DONE],
    "usage null until the end": [
        event({"content": "a"}, usage=None),
        event({}, "stop", usage=None),
        USED,
        DONE,
    ],
    "tool call in one": [event(call(0, '{"a": 1}', "c1", "paint")), event({}, "tool_calls"), DONE],
    "tool call in pieces": [
        *HELLO,
        event(call(0, "", "c1", "paint")),
        *(event(call(0, piece)) for piece in '{"prompt": "a füchs"}'),
        event({}, "tool_calls"),
        USED,
        DONE,
    ],
    "two tool calls in turn": [
        event(call(0, '{"a"', "c1", "paint")),
        event(call(0, ": 1}")),
        event(call(1, "{", "c2", "set")),
        event(call(1, "}")),
        event({}, "tool_calls"),
        DONE,
    ],
    "two tool calls interleaved": [
        event(call(0, "{", "c1", "paint")),
        event(call(1, "{", "c2", "set")),
        event(call(0, '"a": 1')),
        event(call(1, '"b": 2')),
        event(call(0, "}")),
        event(call(1, "}")),
        event({}, "tool_calls"),
        DONE,
    ],
    "two tool calls in one delta": [
        event(
            {
                "tool_calls": call(0, "{}", "c1", "paint")["tool_calls"]
                + call(1, "{}", "c2", "set")["tool_calls"]
            }
        ),
        event({}, "tool_calls"),
        DONE,
    ],
    "tool call without arguments": [event(call(0, "", "c1", "look")), event({}, "tool_calls"), DONE],
    "broken tool arguments": [event(call(0, '{"a": ', "c1", "paint")), event({}, "tool_calls"), DONE],
    "text, then a tool call": [
        *HELLO,
        event(call(0, "{}", "c1", "paint")),
        event({"content": "."}),
        STOP,
        DONE,
    ],
    "legacy function call": [
        event({"function_call": {"name": "paint", "arguments": '{"a"'}}),
        event({"function_call": {"name": None, "arguments": ": 1}"}}),
        event({}, "function_call"),
        DONE,
    ],
    "log probabilities": [
        "data: "
        + json.dumps(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": word},
                        "finish_reason": None,
                        "logprobs": {
                            "content": [{"token": word, "bytes": [97], "logprob": -0.5, "top_logprobs": []}],
                            "refusal": None,
                        },
                    }
                ]
            }
        )
        + "\n\n"
        for word in "ab"
    ]
    + [STOP, DONE],
    "two choices": [
        event({"content": "a"}).replace("}]}", '}, {"index": 1, "delta": {"content": "b"}}]}'),
        STOP,
        DONE,
    ],
}


@pytest.mark.parametrize("lines", EQUAL.values(), ids=EQUAL.keys())
async def test_a_stream_says_what_the_original_says(server: FakeOpenAI, lines: list[str]) -> None:
    original, ours = await both(server, {"raw": lines})
    assert said(ours) == said(original)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
@pytest.mark.parametrize("crlf", [False, True])
async def test_bytes_may_be_cut_anywhere(server: FakeOpenAI, size: int, *, crlf: bool) -> None:
    lines = "".join(EQUAL["tool call in pieces"])
    body = (lines.replace("\n", "\r\n") if crlf else lines).encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    original, ours = await both(server, {"raw": pieces})
    assert said(ours) == said(original)
    assert ours.content == "Grüße 🦊 all"


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DELTAS = st.one_of(
    st.fixed_dictionaries({}, optional={"role": st.just("assistant"), "content": st.none() | WORDS}),
    st.builds(call, st.integers(0, 2), WORDS),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DELTAS, max_size=12), st.sampled_from(["stop", "length", "tool_calls"]), st.integers(1, 90))
async def test_whatever_comes_however_cut_is_heard_as_by_the_original(
    deltas: list[Json], finish_reason: str, size: int
) -> None:
    # As servers do, a call's first piece names it.
    begun = [event(call(index, "", f"c{index}", "paint")) for index in range(3)]
    lines = [*begun, *map(event, deltas), event({}, finish_reason), USED, DONE]
    body = "".join(lines).encode()
    async with FakeOpenAI() as server:
        turn = {"raw": [body[start : start + size] for start in range(0, len(body), size)]}
        original, ours = await both(server, turn)
        server.script(turn)
        past: list[voice.Said] = []
        with voice.heard_by(past.append):
            told = await heard(model(OpenAIStream, server))
    await transport.close()
    assert said(ours) == said(told) == said(original)
    assert "".join(piece.text for piece in past) == original.content
    assert {piece.message_id for piece in past} <= {told.id}


@pytest.mark.parametrize("lines", EQUAL.values(), ids=EQUAL.keys())
async def test_told_past_langchain_it_is_the_same_message(server: FakeOpenAI, lines: list[str]) -> None:
    server.script({"raw": lines}, {"raw": lines})
    original = await heard(model(ChatOpenAI, server))
    past: list[voice.Said] = []
    with voice.heard_by(past.append):
        told = await heard(model(OpenAIStream, server))
    assert said(told) == said(original)
    assert "".join(piece.text for piece in past) == original.text
    assert {piece.message_id for piece in past} <= {told.id}


async def test_a_failure_comes_after_what_was_told_past_langchain(server: FakeOpenAI) -> None:
    server.script({"text": "one two three", "after": 3, "then": "cut"})
    past: list[voice.Said] = []
    with voice.heard_by(past.append):
        error, text = await failing(model(OpenAIStream, server))
    assert isinstance(error, openai.APIConnectionError)
    assert text == ""
    assert "one two three".startswith(whole := "".join(piece.text for piece in past))
    assert whole


async def test_the_same_is_asked_as_by_the_original(server: FakeOpenAI) -> None:
    await both(server, {"text": "Hi"}, stop=["x"], temperature=0.5)
    theirs, ours = server.requests
    assert ours == theirs
    assert ours["stream_options"] == {"include_usage": True}


async def test_an_answer_by_schema_is_left_to_the_original(server: FakeOpenAI) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    original, ours = await both(server, {"text": '{"a": 1}'}, response_format=schema)
    assert ours.content == original.content == '{"a": 1}'


async def failing(chat: ChatOpenAI) -> tuple[BaseException, str]:
    """The exception of a stream, and the text before it."""
    text = ""
    try:
        async with asyncio.timeout(10):
            async for chunk in chat.astream(QUESTION):
                text += chunk.text
    except Exception as error:  # noqa: BLE001 - any of them is what the test compares
        return error, text
    raise AssertionError("the stream did not fail")


FAILURES: dict[str, Json] = {
    "wrong key": {"status": 401, "error": {"message": "No.", "code": "invalid_api_key"}},
    "forbidden": {"status": 403, "error": {"message": "No.", "code": "forbidden"}},
    "no such model": {"status": 404, "error": {"message": "None.", "code": "model_not_found"}},
    "bad request": {"status": 400, "error": {"message": "Bad.", "code": "invalid"}},
    "too long": {
        "status": 400,
        "error": {"message": "context_length_exceeded", "code": "context_length_exceeded"},
    },
    "rate limit": {
        "status": 429,
        "headers": {"retry-after": "0"},
        "error": {"message": "Slow.", "code": "rate"},
    },
    "server error": {
        "status": 500,
        "headers": {"retry-after": "0"},
        "error": {"message": "Oh.", "code": "oh"},
    },
    "error chunk": {
        "text": "one two three",
        "after": 3,
        "then": "error",
        "error": {"message": "Overloaded."},
    },
    "error chunk without words": {"raw": [*HELLO, 'data: {"error": {"code": 5}}\n\n']},
    "too long, said late": {
        "raw": [*HELLO, 'data: {"error": {"message": "It exceeds the context window."}}\n\n']
    },
    "cut": {"text": "one two three", "after": 3, "then": "cut"},
    "cut in a line": {"raw": [*HELLO, 'data: {"cho'], "then": "cut"},
    "broken JSON": {"raw": [*HELLO, "data: {broken\n\n"]},
}


@pytest.mark.parametrize("turn", FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_is_the_originals(server: FakeOpenAI, turn: Json) -> None:
    server.script({**turn, "times": None})
    theirs, their_text = await failing(model(ChatOpenAI, server, max_retries=1))
    asked = len(server.requests)
    ours, our_text = await failing(model(OpenAIStream, server, max_retries=1))
    assert type(ours).__mro__[1:] == type(theirs).__mro__[1:]
    assert str(ours) == str(theirs)
    assert our_text == their_text
    assert len(server.requests) == 2 * asked


async def test_a_server_that_is_not_there_is_unreachable(server: FakeOpenAI) -> None:
    nowhere = "http://127.0.0.1:9"  # the port of "discard", which nobody serves
    settings: Json = {"api_key": "key", "base_url": nowhere, "timeout": openai.Timeout(5), "max_retries": 0}
    theirs, _ = await failing(ChatOpenAI(model="fake", **settings))
    ours, _ = await failing(OpenAIStream(model="fake", **settings))
    assert type(ours) is type(theirs)
    assert isinstance(ours, openai.APIConnectionError)
    assert not isinstance(ours, openai.APITimeoutError)


async def test_after_a_close_the_model_is_asked_anew(server: FakeOpenAI) -> None:
    chat = model(OpenAIStream, server)
    await heard(chat)
    await transport.close()
    await heard(chat)
    assert server.connections == 2


@pytest.mark.parametrize(
    ("name", "own"), [("HTTPS_PROXY", True), ("OPENAI_PROXY", True), ("NO_PROXY", False)]
)
def test_where_a_proxy_is_set_the_client_finds_its_own_way(
    monkeypatch: pytest.MonkeyPatch, name: str, *, own: bool
) -> None:
    for other in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OPENAI_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (transport.client() is None) is own


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failure_before_the_stream_is_tried_again(server: FakeOpenAI, status: int) -> None:
    server.script({"status": status, "headers": {"retry-after": "0"}}, {"text": "At last."})
    assert (await heard(model(OpenAIStream, server, max_retries=1))).content == "At last."


async def test_a_stall_raises_and_lets_the_connection_go(server: FakeOpenAI) -> None:
    server.script({"text": "one two three", "after": 3, "then": "stall"})
    error, text = await failing(model(OpenAIStream, server, stream_chunk_timeout=0.2))
    assert isinstance(error, StreamChunkTimeoutError)
    assert text == "one two"


async def test_comments_do_not_hide_a_stall(server: FakeOpenAI) -> None:
    server.script({"raw": [*HELLO, *([": ping\n\n", {"sleep": 0.05}] * 60)]})
    error, _ = await failing(model(OpenAIStream, server, stream_chunk_timeout=0.3))
    assert isinstance(error, StreamChunkTimeoutError)


async def test_a_slow_stream_is_no_stall(server: FakeOpenAI) -> None:
    server.script({"text": " ".join("abcdefghijkl"), "pace": 15})
    assert (
        await heard(model(OpenAIStream, server, stream_chunk_timeout=0.4))
    ).content == "a b c d e f g h i j k l"


async def test_a_server_that_never_begins_times_out(server: FakeOpenAI) -> None:
    server.script({"then": "stall", "after": 0, "times": None})
    chat = model(OpenAIStream, server, timeout=openai.Timeout(0.2), max_retries=0)
    error, _ = await failing(chat)
    assert isinstance(error, openai.APITimeoutError)


# Where ours is stricter or loses less.


@pytest.mark.parametrize("end", [[], [DONE], [USED, DONE]], ids=["nothing", "done", "usage"])
async def test_an_end_without_a_finish_reason_is_a_failure(server: FakeOpenAI, end: list[str]) -> None:
    server.script({"raw": [*HELLO, *end]})
    error, text = await failing(model(OpenAIStream, server))
    assert isinstance(error, StreamCutOff)
    assert isinstance(error, openai.APIConnectionError)
    assert text == "Grüße 🦊 all"


async def test_an_answer_that_is_no_stream_says_so(server: FakeOpenAI) -> None:
    server.script({"raw": ["<html>Welcome</html>"]})
    error, _ = await failing(model(OpenAIStream, server))
    assert isinstance(error, openai.APIResponseValidationError)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_from_the_text(server: FakeOpenAI, field: str) -> None:
    thoughts = [event({field: "Let me", "content": ""}), event({field: " think.", "content": None})]
    original, ours = await both(server, {"raw": [*thoughts, *HELLO, STOP, DONE]})
    assert ours.additional_kwargs == {"reasoning_content": "Let me think."}
    assert ours.content == original.content


async def test_blocks_of_thinking_and_text_are_told_apart(server: FakeOpenAI) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    lines = [event({"content": [thinking]}), event({"content": [{"type": "text", "text": "Yes."}]}), STOP]
    server.script({"raw": lines})
    message = await heard(model(OpenAIStream, server))
    assert (message.content, message.additional_kwargs) == ("Yes.", {"reasoning_content": "Hm."})


async def test_a_refusal_is_text_and_is_marked(server: FakeOpenAI) -> None:
    server.script({"refusal": "I cannot help with that."})
    message = await heard(model(OpenAIStream, server))
    assert message.content == message.additional_kwargs["refusal"] == "I cannot help with that."


async def test_usage_said_in_every_chunk_counts_once(server: FakeOpenAI) -> None:
    lines = [
        event({"content": word}, usage={**USAGE, "completion_tokens": at}) for at, word in enumerate("abc", 1)
    ]
    server.script({"raw": [*lines, event({}, "stop", usage=USAGE), USED, DONE]})
    message = await heard(model(OpenAIStream, server))
    assert message.usage_metadata is not None
    assert (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]) == (10, 7)


async def test_a_character_cut_into_two_escapes_is_joined(server: FakeOpenAI) -> None:
    halves = [event({"content": "x"}).replace('"x"', half) for half in ('"a\\ud83e"', '"\\udd8ab"')]
    server.script({"raw": [*halves, STOP]})
    assert (await heard(model(OpenAIStream, server))).content == "a🦊b"


ODD_CALLS: dict[str, list[str]] = {
    "no index": [
        event(call(None, '{"a"', "c1", "paint")),
        event(call(None, ": 1}")),
        event(call(None, '{"b": 2}', "c2", "set")),
    ],
    "index always 0": [event(call(0, '{"a": 1}', "c1", "paint")), event(call(0, '{"b": 2}', "c2", "set"))],
    "id and name repeated": [
        event(call(0, '{"a"', "c1", "paint")),
        event(call(0, ": 1}", "c1", "paint")),
        event(call(1, '{"b": 2}', "c2", "set")),
    ],
    "arguments as an object": [
        event(call(0, "x", "c1", "paint")).replace('"x"', '{"a": 1}'),
        event(call(1, "x", "c2", "set")).replace('"x"', '{"b": 2}'),
    ],
    "empty ids later": [
        event(call(0, '{"a"', "c1", "paint")),
        event(call(0, ": 1}", "", "")),
        event(call(1, '{"b": 2}', "c2", "set")),
    ],
}


@pytest.mark.parametrize("lines", ODD_CALLS.values(), ids=ODD_CALLS.keys())
async def test_tool_calls_survive_odd_servers(server: FakeOpenAI, lines: list[str]) -> None:
    server.script({"raw": [*lines, event({}, "tool_calls"), DONE]})
    calls = (await heard(model(OpenAIStream, server))).tool_calls
    assert [(call["id"], call["name"], call["args"]) for call in calls] == [
        ("c1", "paint", {"a": 1}),
        ("c2", "set", {"b": 2}),
    ]


async def test_a_stream_makes_few_chunks(server: FakeOpenAI) -> None:
    server.script({"text": " ".join(str(number) for number in range(2000))})
    chat = model(OpenAIStream, server)
    chunks = [chunk async for chunk in chat.astream(QUESTION)]
    assert "".join(chunk.text for chunk in chunks) == " ".join(str(number) for number in range(2000))
    assert len(chunks) < 200


async def test_one_connection_serves_one_answer_after_the_other(server: FakeOpenAI) -> None:
    chat = model(OpenAIStream, server)
    for _ in range(5):
        await heard(chat)
    assert server.connections == 1


async def test_a_listener_that_leaves_ends_the_request(server: FakeOpenAI) -> None:
    server.script({"text": "word " * 1000, "pace": 50})
    stream = model(OpenAIStream, server).astream(QUESTION)
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        await server.idle.wait()
