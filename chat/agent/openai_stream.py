"""ChatOpenAI with a cheap and strict stream.

The original makes a pydantic object and an AIMessageChunk of every token, 320 to 440 µs of CPU each.
Here the response's bytes are parsed with orjson and merged by `coalesce.gather`, so that LangChain's
objects are made once a window. What is rare (the end, log probabilities, legacy function calls) goes
through the original's own conversion, and tests hold the two together over the same streams.

It differs from the original on purpose where that loses something:

- a stream that ends without a `finish_reason` raises `StreamCutOff` instead of passing for an answer;
- `reasoning_content` and `reasoning` deltas become `additional_kwargs["reasoning_content"]`;
- an answer that does not end is cut short, as by a limit of the model's own;
- a refusal is the answer's text, and is marked in `additional_kwargs["refusal"]`;
- usage that a server repeats in every chunk is counted once, and half a surrogate pair is joined;
- tool calls survive servers that leave out the index, or repeat the id and the name in every piece.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import openai
import orjson
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI, StreamChunkTimeoutError
from langchain_openai.chat_models.base import (
    OpenAIConnectionError,
    _handle_openai_api_error,
    _handle_openai_bad_request,
)
from pydantic import Field

from chat.agent import ticks, transport, voice
from chat.agent.coalesce import Batch, ToolCallPiece, coalesce, gather
from chat.agent.server_sent_events import EventData, EventTooLarge
from chat.agent.ticks import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun

FIRST_EVENTS = 3
"""So many events are read as they come: somebody waits for the first words."""

DRAIN_SECONDS = 0.1
"""How long to wait for the connection's last bytes after [DONE], so that it can be used again."""

ANSWER_BYTES_MAX = 512 * 1024
"""So much a model may say at a time, its thought and its calls included, as it stands in a frame, before it is cut
short: some never end. A message is told whole in one frame, and a socket is written no more than a mebibyte ahead."""


class StreamCutOff(OpenAIConnectionError):
    """The stream ended in order but without a `finish_reason`: its text is not whole."""


class OpenAIStream(ChatOpenAI):
    """ChatOpenAI whose `astream` over chat completions costs a tenth and never passes off half an answer.

    Raises what ChatOpenAI raises, and `StreamCutOff`. `stream_chunk_timeout` bounds the wait between
    two chunks, `request_timeout` the wait for the first byte.
    """

    window_seconds: float = WINDOW_SECONDS
    """How long text gathers before it goes on as one chunk; the first text never waits."""

    http_async_client: Any | None = Field(default_factory=transport.client, exclude=True)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._needs_the_original(kwargs):
            original = super()._astream(messages, stop=stop, stream_usage=stream_usage, **kwargs)
            stream = coalesce(original, window_seconds=self.window_seconds)
        else:
            kwargs["stream"] = True
            if self._should_stream_usage(stream_usage, **kwargs):
                kwargs["stream_options"] = {"include_usage": True}
            payload = self._get_request_payload(messages, stop=stop, **kwargs)
            stream = self._gather(payload)
        async with aclosing(stream):
            async for chunk in stream:
                if run_manager:
                    logprobs = (chunk.generation_info or {}).get("logprobs")
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk, logprobs=logprobs)
                yield chunk

    def _needs_the_original(self, kwargs: dict[str, Any]) -> bool:
        """Whether this call is not a plain chat completion, whose stream is read here."""
        params = {**self.model_kwargs, **kwargs}
        return (
            self._use_responses_api(params)
            or "response_format" in params
            or bool(self.include_response_headers)
            or self._uses_gateway
        )

    def _gather(self, payload: dict[str, Any]) -> AsyncGenerator[ChatGenerationChunk, None]:
        return gather(
            partial(self._read, payload),
            window_seconds=self.window_seconds,
            provider="openai",
            listener=voice.listener(),
        )

    async def _read(self, payload: dict[str, Any], batch: Batch) -> None:
        """Ask, and add what is answered to `batch`; the errors are ChatOpenAI's own."""
        try:
            async with self.async_client.with_streaming_response.create(**_untouched(payload)) as answer:
                await self._read_events(answer.http_response, batch)
        except StreamCutOff:
            raise  # the mapping below would make an ordinary connection error of it
        except openai.BadRequestError as error:
            _handle_openai_bad_request(error)
        except openai.APIError as error:
            _handle_openai_api_error(error)

    async def _read_events(self, response: httpx2.Response, batch: Batch) -> None:
        reader = _Reader(self, response, batch)
        patience = self.stream_chunk_timeout or None
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(patience)
        moved_at, heard = loop.time(), 0
        ear = ticks.Ear(transport.listen(response))
        try:
            async with deadline, aclosing(transport.parts(response)) as received:
                events = EventData()
                async for part in received:
                    if reader.done:
                        continue
                    batch.held = ear.rests
                    for data in events.feed(part):
                        if data.startswith(b"[DONE]"):
                            reader.done = True
                        else:
                            reader.read(data)
                        if reader.done:
                            deadline.reschedule(loop.time() + DRAIN_SECONDS)
                            batch.flush()
                            ear.wake()
                            break
                    else:
                        if (
                            patience
                            and reader.events > heard
                            and loop.time() - moved_at > min(1.0, patience / 10)
                        ):
                            # Comments are no events: a server that only keeps the line warm is stalled.
                            # Moving the deadline costs more than reading a chunk: not for every one.
                            moved_at, heard = loop.time(), reader.events
                            deadline.reschedule(moved_at + patience)
                        if ear.rests:
                            batch.flush()
                        if reader.speaks:
                            ear.rest()
                        else:
                            ear.wake()
        except TimeoutError as error:
            if not deadline.expired():
                raise
            if not reader.done:
                raise StreamChunkTimeoutError(
                    patience or 0.0, model_name=self.model_name, chunks_received=reader.events
                ) from error
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=response.request) from error
        except (httpx2.RequestError, ssl.SSLError) as error:
            if not reader.done:
                raise openai.APIConnectionError(request=response.request) from error
        except EventTooLarge as error:
            raise openai.APIResponseValidationError(response, None, message=str(error)) from error
        finally:
            ear.wake()
        reader.finish()


def _untouched(payload: dict[str, Any]) -> dict[str, Any]:
    """The same request, with messages and tools as its extra body, which is sent as it is.

    Given as arguments the client walks through each of them by its type hints, though they are plain already: several
    milliseconds before the first word of a long thread.
    """
    plain = {name: payload[name] for name in ("messages", "tools") if name in payload}
    extra_body = {**plain, **(payload.get("extra_body") or {})}
    return {**payload, **dict.fromkeys(plain, ()), "extra_body": extra_body}


class _Call(NamedTuple):
    id: str | None
    name: str | None


class _Reader:
    """The events of one stream, turned into what the model says."""

    def __init__(self, model: OpenAIStream, response: httpx2.Response, batch: Batch) -> None:
        self._model = model
        self._response = response
        self._batch = batch
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._calls: dict[int, _Call] = {}
        self._indexes: dict[int | None, int] = {}  # the index a server gives -> ours
        self._half = ""
        self._room = ANSWER_BYTES_MAX
        self.events = 0
        self.done = False

    @property
    def speaks(self) -> bool:
        """Whether the answer has begun and its end is not in sight."""
        return self.events > FIRST_EVENTS and self._finish_reason is None

    def read(self, data: bytes) -> None:
        """One event's data, a chat completion chunk or an error."""
        self.events += 1
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            # orjson is stricter than the original's parser: NaN, halves of surrogate pairs.
            chunk = self._mend(json.loads(data))
        if not isinstance(chunk, dict):
            return
        if (error := chunk.get("error")) or chunk.get("object") == "error":
            self._fail(error or chunk)
        if usage := chunk.get("usage"):
            self._usage = {"usage": usage, "service_tier": chunk.get("service_tier")}
        choices = chunk.get("choices")
        if not choices:
            return
        choice = choices[0]
        delta = choice.get("delta") or {}
        content = delta.get("content")
        if type(content) is str and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            if content:  # the common case by itself: nearly every chunk is this one
                self._text(content)
        else:
            self._say(delta)
        if choice.get("finish_reason") or choice.get("logprobs") or delta.get("function_call"):
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            self._convert(chunk, choice, delta)
        if self._room < 0 and self._finish_reason is None:
            self._finish_reason = "length"
            self._convert(chunk, {**choice, "finish_reason": "length"}, {})
            self.done = True

    def finish(self) -> None:
        """The end of the stream: usage, or the reason why it is not an end."""
        if self._finish_reason is None:
            if not self.events:
                kind = self._response.headers.get("content-type", "something")
                raise openai.APIResponseValidationError(
                    self._response,
                    None,
                    message=f"The server answered with {kind}, not with an event stream.",
                )
            raise StreamCutOff(
                message="The stream ended without a finish_reason.", request=self._response.request
            )
        if self._usage is not None:
            self._add({"choices": [], **self._usage})

    def _text(self, text: str) -> None:
        self._count(text)
        self._batch.text(text)

    def _reasoning(self, text: str) -> None:
        self._count(text)
        self._batch.reasoning(text)

    def _count(self, text: str) -> None:
        self._room -= len(orjson.dumps(text)) - 2  # the quotes

    def _say(self, delta: dict[str, Any]) -> None:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning and isinstance(reasoning, str):
            self._reasoning(reasoning)
        if content := delta.get("content"):
            if isinstance(content, str):
                self._text(content)
            elif isinstance(content, list):
                self._say_blocks(content)
        if refusal := delta.get("refusal"):
            self._count(refusal)
            message = AIMessageChunk(content=refusal, additional_kwargs={"refusal": refusal})
            self._batch.chunk(ChatGenerationChunk(message=message))
        for call in delta.get("tool_calls") or ():
            self._batch.tool_call(self._piece(call))

    def _say_blocks(self, blocks: list[Any]) -> None:
        """Content as a list of typed blocks (Mistral's reasoning models)."""
        for block in blocks:
            if not isinstance(block, dict):
                continue
            if block.get("type") == "text":
                self._text(block.get("text") or "")
            elif block.get("type") == "thinking":
                for thought in block.get("thinking") or ():
                    self._reasoning(thought.get("text") or "")

    def _piece(self, call: dict[str, Any]) -> ToolCallPiece:
        """A fragment of a tool call under an index that is this call's alone.

        Servers leave `index` out, or give every call the index 0; a new id is then what tells that
        a new call begins. Others repeat the id and the name in every fragment; both are said once.
        """
        function = call.get("function") or {}
        call_id, name = call.get("id") or None, function.get("name") or None
        args = function.get("arguments")
        if args:
            self._count(args)
        given = call.get("index")
        index = self._indexes.get(given)
        if index is None or (call_id and name and self._calls[index].id not in (None, call_id)):
            index = next((i for i, known in self._calls.items() if call_id and known.id == call_id), None)
            if index is None:
                index = max(self._calls, default=-1) + 1 if given is None or given in self._calls else given
                self._calls[index] = _Call(None, None)
            self._indexes[given] = index
        known = self._calls[index]
        if known.id is not None:
            call_id = None
            if name == known.name:
                name = None
        self._calls[index] = _Call(known.id or call_id, (known.name or "") + (name or ""))
        if args is not None and not isinstance(args, str):
            args = orjson.dumps(args).decode()
        return ToolCallPiece(index, call_id, name, args or "")

    def _convert(self, chunk: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any]) -> None:
        """The original's conversion, for all that is not said by `_say`."""
        rest = {key: delta[key] for key in ("function_call", "id") if key in delta}
        self._add({**chunk, "usage": None, "choices": [{**choice, "delta": rest}]})

    def _add(self, chunk: dict[str, Any]) -> None:
        generation = self._model._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, {})
        if generation is not None:
            self._batch.chunk(generation)

    def _fail(self, error: Any) -> None:
        message = error.get("message") if isinstance(error, dict) else None
        if not isinstance(message, str) or not message:
            message = "An error occurred during streaming"
        raise openai.APIError(message=message, request=self._response.request, body=error)

    def _mend(self, chunk: Any) -> Any:
        """Join surrogate pairs that were cut between two chunks; what stays alone becomes U+FFFD."""
        for container, key in _strings_of(chunk):
            text = self._half + container[key]
            self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
            text = text[:-1] if self._half else text
            container[key] = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return chunk


def _strings_of(chunk: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a chunk's deltas hold text that may be cut in the middle of a character."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    for choice in choices or ():
        delta = choice.get("delta") or {}
        for key in ("content", "reasoning_content", "reasoning", "refusal"):
            if isinstance(delta.get(key), str):
                yield delta, key
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            if isinstance(function.get("arguments"), str):
                yield function, "arguments"
