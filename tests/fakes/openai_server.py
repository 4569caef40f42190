"""A fake OpenAI server: chat completions, images and models over real HTTP, by script.

In a test:

    async with FakeOpenAI() as server:
        server.script({"text": "Hello.", "pace": 100}, {"status": 429, "headers": {"retry-after": "0"}})
        ... base_url=server.base_url ...
        assert server.count("a red fox") == 1

As a process, for benchmarks and browser tests: `python -m tests.fakes.openai_server --port 0 --pace 50`
prints its base URL as its first line.

| request | does |
|---|---|
| `POST /v1/chat/completions`, `POST /v1/images/generations`, `GET /v1/models` | as OpenAI does |
| `POST /script` | one turn or a list of turns; `DELETE /script` forgets them all |
| `GET /requests` | what was asked: `{"requests": [...], "counts": {prompt: n}}`; `DELETE` forgets |

A turn is how one request is answered. The first turn that fits a request is used up by it; without one
the last user message decides (see `replies.py`). Its fields, all optional:

- `on`: "chat" (default) or "images"; `when`: text that the last user message or prompt must contain;
  `times`: how many requests it answers (1; null = all)
- `text`, `reasoning`, `refusal`, `tool_calls [{name, arguments, id?}]`, `finish_reason`, `usage`, `model`
- `pace`: tokens a second (0 = at once), `headers_seconds` and `first_token_seconds`: silence before each
- `status`, `headers`, `error`: an error before the stream
- `after`: after so many chunks, `then`: "cut" (connection lost), "stall" (silence), "end" (clean end, nothing
  more) or "error" (an error chunk)
- `split_bytes`: cut the body into HTTP chunks of so many bytes; `crlf`: end lines so
- `raw`: the body itself, a list of strings, bytes, `{"b64": …}` or `{"sleep": seconds}`, then `then`
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import sys
from collections import Counter, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tests.fakes import replies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

Json = dict[str, Any]
MAX_REQUESTS = 2_000
MAX_BODY_BYTES = 64 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Lost(Exception):
    """The connection is to be dropped in the middle of an answer."""


class FakeOpenAI:
    """The server; `async with` starts it on a free loopback port and ends it."""

    def __init__(self, *, port: int = 0, pace: float = 0.0, host: str = "127.0.0.1") -> None:
        self._host, self._port, self._pace = host, port, pace
        self._turns: deque[Json] = deque(maxlen=MAX_REQUESTS)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.connections = 0
        """How many connections were made so far."""
        self.idle = asyncio.Event()
        """Set while nobody is being answered."""
        self._answering = 0
        self.requests: deque[Json] = deque(maxlen=MAX_REQUESTS)
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> FakeOpenAI:
        self._server = await asyncio.start_server(self._connected, self._host, self._port, limit=1 << 20)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def script(self, *turns: Json) -> None:
        """Add turns to the queue."""
        self._turns.extend(dict(turn) for turn in turns)

    def count(self, prompt: str) -> int:
        """How often a chat's last user message or a picture's prompt was exactly this."""
        return self.counts[prompt]

    def forget(self) -> None:
        """Begin afresh: no turns, no requests."""
        self._turns.clear()
        self.requests.clear()
        self.counts.clear()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                request, *lines = head.split("\r\n")
                method, path, _ = request.split(" ", 2)
                headers = dict(_header(line) for line in lines if ":" in line)
                body = b""
                if length := int(headers.get("content-length", 0)):
                    body = await reader.readexactly(min(length, MAX_BODY_BYTES))
                self._answering += 1
                self.idle.clear()
                try:
                    await self._route(writer, method, path.partition("?")[0], headers, body)
                    await writer.drain()
                finally:
                    self._answering -= 1
                    if not self._answering:
                        self.idle.set()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass  # the client is gone
        except Lost:
            writer.transport.abort()
        finally:
            writer.close()

    async def _route(
        self, writer: asyncio.StreamWriter, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        data = json.loads(body) if body else {}
        match method, path:
            case "POST", "/v1/chat/completions":
                await self._chat(writer, headers, data)
            case "POST", "/v1/images/generations":
                await self._images(writer, headers, data)
            case "GET", "/v1/models":
                _send(writer, 200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
            case "POST", "/script":
                self.script(*(data if isinstance(data, list) else [data]))
                _send(writer, 200, {"turns": len(self._turns)})
            case "DELETE", "/script":
                self._turns.clear()
                _send(writer, 200, {})
            case "GET", "/requests":
                _send(writer, 200, {"requests": list(self.requests), "counts": self.counts})
            case "DELETE", "/requests":
                self.requests.clear()
                self.counts.clear()
                _send(writer, 200, {})
            case _:
                _send(writer, 404, _error(f"Unknown request: {method} {path}", "not_found"))

    async def _chat(self, writer: asyncio.StreamWriter, headers: dict[str, str], data: Json) -> None:
        said = replies.last_user_text(data.get("messages", []))
        self._note("chat", said, data, headers)
        turn = self._turn("chat", said)
        if turn is None:
            turn = replies.reply(data)
        if _refused(writer, headers, data, turn):
            return
        turn = {"pace": self._pace, "model": data.get("model", "fake"), **turn}
        if not data.get("stream"):
            await asyncio.sleep(turn.get("first_token_seconds", 0))
            _send(writer, 200, replies.completion(turn, data))
            return
        usage = bool((data.get("stream_options") or {}).get("include_usage"))
        await _stream(writer, turn, _chat_events(turn, data, usage=usage))

    async def _images(self, writer: asyncio.StreamWriter, headers: dict[str, str], data: Json) -> None:
        prompt = str(data.get("prompt", ""))
        self._note("images", prompt, data, headers)
        turn = self._turn("images", prompt) or {}
        if _refused(writer, headers, data, turn):
            return
        if data.get("stream") and turn.get("stream", True):
            await _stream(writer, {"pace": turn.get("pace", 20), **turn}, replies.image_events(data))
        else:
            await asyncio.sleep(turn.get("first_token_seconds", 0))
            _send(writer, 200, replies.image(data))

    def _turn(self, on: str, said: str) -> Json | None:
        for turn in self._turns:
            if turn.get("on", "chat") == on and turn.get("when", "") in said:
                times = turn.get("times", 1)
                if times is not None:
                    turn["times"] = times - 1
                    if times <= 1:
                        self._turns.remove(turn)
                return dict(turn)
        return None

    def _note(self, on: str, said: str, data: Json, headers: dict[str, str]) -> None:
        if said in self.counts or len(self.counts) < MAX_REQUESTS:
            self.counts[said] += 1
        kept = {key: value for key, value in data.items() if key not in ("messages", "tools")}
        tools = [tool.get("function", {}).get("name") for tool in data.get("tools") or ()]
        roles = [message.get("role") for message in data.get("messages", ())]
        self.requests.append(
            {
                **kept,
                "on": on,
                "prompt": said,
                "tools": tools,
                "roles": roles,
                "pictures": replies.pictures(data.get("messages", ())),
                "key": headers.get("authorization", "")[-4:],
            }
        )


def _refused(writer: asyncio.StreamWriter, headers: dict[str, str], data: Json, turn: Json) -> bool:
    """Answer with an error when the turn, the key "wrong" or the model "missing" asks for one."""
    status, error, extra = turn.get("status", 200), turn.get("error"), turn.get("headers", {})
    if headers.get("authorization") == "Bearer wrong":
        status, error = 401, _error("Incorrect API key provided.", "invalid_api_key")["error"]
    elif data.get("model") == "missing":
        status, error = 404, _error("The model `missing` does not exist.", "model_not_found")["error"]
    if status == 200:
        return False
    _send(writer, status, {"error": error or _error("Scripted error", "scripted")["error"]}, extra)
    return True


async def _stream(writer: asyncio.StreamWriter, turn: Json, events: Iterator[bytes]) -> None:
    await asyncio.sleep(turn.get("headers_seconds", 0))
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    if "raw" in turn:
        await _stream_raw(writer, turn["raw"])
        await _then(writer, turn)
        return
    loop, pace = asyncio.get_running_loop(), float(turn.get("pace") or 0)
    split, after, crlf = turn.get("split_bytes"), turn.get("after"), turn.get("crlf")
    due = loop.time() + turn.get("first_token_seconds", 0)
    for number, event in enumerate(events):
        if number == after:
            await _then(writer, turn)
            return
        delay = due - loop.time()
        if delay > 0:
            await asyncio.sleep(delay)
        elif number % 50 == 49:
            await writer.drain()
        if writer.transport.is_closing():
            raise Lost
        due += 1 / pace if pace else 0
        if crlf:
            event = event.replace(b"\n", b"\r\n")
        for start in range(0, len(event), split or len(event)):
            part = event[start : start + (split or len(event))]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
    writer.write(b"0\r\n\r\n")


async def _stream_raw(writer: asyncio.StreamWriter, parts: list[Any]) -> None:
    for part in parts:
        if isinstance(part, dict) and "sleep" in part:
            await writer.drain()
            await asyncio.sleep(part["sleep"])
            continue
        if isinstance(part, dict):
            part = base64.b64decode(part["b64"])
        elif isinstance(part, str):
            part = part.encode()
        if part:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))


async def _then(writer: asyncio.StreamWriter, turn: Json) -> None:
    await writer.drain()
    match turn.get("then", "end"):
        case "cut":
            await asyncio.sleep(turn.get("cut_seconds", 0))
            # Closed, not reset: what was sent is still read, and then the body is not whole.
            writer.close()
            await writer.wait_closed()
            raise Lost
        case "stall":
            await asyncio.sleep(600)
        case "error":
            error = {"error": turn.get("error") or _error("Scripted error", "scripted")["error"]}
            part = b"data: " + json.dumps(error).encode() + b"\n\n"
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
    writer.write(b"0\r\n\r\n")


def _chat_events(turn: Json, data: Json, *, usage: bool) -> Iterator[bytes]:
    model = turn["model"]
    yield _event(model, {"role": "assistant", "content": ""})
    for token in replies.tokens(turn.get("reasoning", "")):
        yield _event(model, {"reasoning_content": token})
    for token in replies.tokens(turn.get("refusal", "")):
        yield _event(model, {"refusal": token})
    for token in replies.tokens(turn.get("text", "")):
        yield _text_event(model, token)
    calls = replies.tool_calls(turn)
    for index, call in enumerate(calls):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield _event(
            model,
            {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": function}]},
        )
        for piece in re.findall(r".{1,8}", call["function"]["arguments"], re.DOTALL):
            yield _event(model, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    finish_reason = turn.get("finish_reason", "tool_calls" if calls else "stop")
    yield _event(model, {}, finish_reason)
    if usage:
        yield _line({**_head(model), "choices": [], "usage": replies.usage(turn, data)})
    yield b"data: [DONE]\n\n"


@lru_cache(maxsize=8192)
def _text_event(model: str, token: str) -> bytes:
    return _event(model, {"content": token})


def _event(model: str, delta: Json, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _line({**_head(model), "choices": [choice]})


def _head(model: str) -> Json:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1_750_000_000,
        "model": model,
    }


def _line(data: Json) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _send(writer: asyncio.StreamWriter, status: int, data: Json, headers: Json | None = None) -> None:
    body = json.dumps(data).encode()
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "content-type: application/json"]
    lines += [
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _error(message: str, code: str) -> Json:
    return {"error": {"message": message, "type": "fake_error", "param": None, "code": code}}


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A fake OpenAI server on the loopback address.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--pace", type=float, default=50, help="tokens a second; 0 sends them at once")
    options = parser.parse_args()
    async with FakeOpenAI(port=options.port, pace=options.pace) as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(_main())
    except ImportError:
        asyncio.run(_main())
    except KeyboardInterrupt:
        pass
