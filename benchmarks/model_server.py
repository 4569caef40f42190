"""The model of every server under test: an OpenAI server whose answers are numbered words, each with its moment.

`python -m benchmarks.model_server` prints its base URL and serves until it is ended. A last user message such as
"400 words at 50" is answered with 400 words at 50 a second, one in each chunk; everything else with "ok". A word is
`NUMBER.MOMENT`, both in base 36: the moment is when it was handed to the socket, in microseconds of the machine's
monotonic clock, which all processes share. So whoever hears a word knows how long it was on its way.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import cast

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ASKED = re.compile(r"(\d+) words at (\d+)")

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_COMMON = '"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,"model":"bench"'
_BEFORE = f'data: {{{_COMMON},"choices":[{{"index":0,"delta":{{"content":"'.encode()
_AFTER = b'"},"logprobs":null,"finish_reason":null}]}\n\n'
_ROLE = (
    f'data: {{{_COMMON},"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}},'
    '"logprobs":null,"finish_reason":null}]}\n\n'
).encode()
_STOP = (
    f'data: {{{_COMMON},"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}]}}\n\n'
).encode()


def base36(number: int) -> str:
    """The number in base 36, which `int(text, 36)` reads again."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def word(number: int) -> str:
    """The numbered word of this moment."""
    return f"{base36(number)}.{base36(int(time.monotonic() * 1e6))} "


class Answers(asyncio.Protocol):
    """One connection: requests come one after the other, each is answered before the next."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's classes

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) >= size:
            self._buffer = rest[size:]
            self._answer(json.loads(rest[:size]) if size else {})

    def _answer(self, asked: dict[str, object]) -> None:
        messages = asked.get("messages")
        words, pace = _wanted(messages if isinstance(messages, list) else [])
        if not asked.get("stream"):
            self._whole("ok" if not words else "".join(map(word, range(words))))
            return
        self._transport.write(HEAD + _chunk(_ROLE))
        options = asked.get("stream_options")
        usage = isinstance(options, dict) and bool(options.get("include_usage"))
        if words:
            self._next(0, words, pace, asyncio.get_running_loop().time(), usage)
        else:
            self._transport.write(_chunk(_BEFORE + b"ok" + _AFTER))
            self._end(1, usage)

    def _next(self, number: int, words: int, pace: int, began: float, usage: bool) -> None:
        """Say the words that are due, and come back for the next."""
        loop = asyncio.get_running_loop()
        while number < words:
            due = began + number / pace if pace else 0.0
            if due > loop.time():
                self._timer = loop.call_at(due, self._next, number, words, pace, began, usage)
                return
            self._transport.write(_chunk(_BEFORE + word(number).encode() + _AFTER))
            number += 1
        self._end(words, usage)

    def _end(self, words: int, usage: bool) -> None:
        end = _chunk(_STOP)
        if usage:
            counts = f'"prompt_tokens":1,"completion_tokens":{words},"total_tokens":{words + 1}'
            end += _chunk(f'data: {{{_COMMON},"choices":[],"usage":{{{counts}}}}}\n\n'.encode())
        self._transport.write(end + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    def _whole(self, text: str) -> None:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": None,
            "finish_reason": "stop",
        }
        body = json.dumps(
            {
                "id": "chatcmpl-bench",
                "object": "chat.completion",
                "created": 1750000000,
                "model": "bench",
                "choices": [choice],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def _wanted(messages: list[object]) -> tuple[int, int]:
    """How many words, and how many a second (0: all at once), the last user message asks for."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            asked = _ASKED.search(json.dumps(message.get("content")))
            return (int(asked[1]), int(asked[2])) if asked else (0, 0)
    return 0, 0


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
