"""A small client of the protocol: sockets, the HTTP API, and the fold over their frames. Every wait has a deadline."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.state import State

SECONDS = 15.0
"""How long anything may take that has no deadline of its own."""
RECEIVED_CHARACTERS = 64 * 1024
"""After so many it confirms what it has, as docs/protocol.md asks for."""
MAX_FRAME_BYTES = 16 * 2**20

Frame = dict[str, Any]


class Refused(Exception):
    """The command was answered by an error frame."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.frame = frame
        self.code: str = frame["code"]


class Closed(AssertionError):
    """The socket was closed while something was waited for."""


class Tab:
    """One open socket on a thread: all its frames, and what they come to.

    It confirms what it reads, as a good client does; one with `receipts=False` never does.
    """

    def __init__(
        self, socket: ClientConnection, *, receipts: bool = True, state: State | None = None
    ) -> None:
        self.frames: list[Frame] = []
        self.state = state or State()
        self.close_code: int | None = None
        self._socket = socket
        self._receipts = receipts
        self._looked_at = 0
        self._news = asyncio.Event()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        unconfirmed = 0
        try:
            async for text in self._socket:
                frame = json.loads(text)
                self.frames.append(frame)
                self.state.apply(frame)
                self._news.set()
                unconfirmed += len(text)
                if self._receipts and "seq" in frame and unconfirmed >= RECEIVED_CHARACTERS:
                    unconfirmed = 0
                    await self.write({"type": "received", "seq": frame["seq"]})
        except ConnectionClosed:
            pass  # by an error: the code says which
        finally:
            self.close_code = self._socket.close_code
            self._news.set()

    async def until(self, type_: str, *, seconds: float = SECONDS, **fields: Any) -> Frame:
        """The next frame of this type, and with these fields, after the one that was waited for last."""
        return await self.where(
            lambda frame: (
                frame["type"] == type_ and all(frame.get(name) == value for name, value in fields.items())
            ),
            f"a frame {type_} {fields or ''}",
            seconds=seconds,
        )

    async def where(
        self, fits: Callable[[Frame], bool], what: str = "a frame", *, seconds: float = SECONDS
    ) -> Frame:
        """The next frame that fits, after the one that was waited for last."""
        while True:
            found = await self._next(what, seconds)
            if fits(found):
                return found

    async def _next(self, what: str, seconds: float) -> Frame:
        await self._wait(lambda: self._looked_at < len(self.frames), what, seconds)
        self._looked_at += 1
        return self.frames[self._looked_at - 1]

    async def holds(
        self, true: Callable[[State], bool], what: str = "", *, seconds: float = SECONDS
    ) -> State:
        """Wait until what the tab shows fulfils a condition."""
        await self._wait(lambda: true(self.state), what or "the state", seconds)
        return self.state

    async def reaches(self, seq: int, *, seconds: float = SECONDS) -> State:
        """Wait until the tab has seen the event of this number."""
        return await self.holds(lambda state: state.seq >= seq, f"event {seq}", seconds=seconds)

    async def ask(self, type_: str, *, seconds: float = SECONDS, **fields: Any) -> Frame:
        """Send a command, and give its ack. Raises Refused."""
        fields = {"id": str(uuid.uuid4()), **fields}
        asked_at = len(self.frames)
        await self.write({"type": type_, **fields})
        answered: list[Frame] = []

        def is_answered() -> bool:
            answered[:] = [
                frame
                for frame in self.frames[asked_at:]
                if frame["type"] in ("ack", "error", "pong") and frame["id"] == fields["id"]
            ]
            return bool(answered)

        await self._wait(is_answered, f"the answer to {type_}", seconds)
        if answered[0]["type"] == "error":
            raise Refused(answered[0])
        return answered[0]

    async def say(self, text: str, **fields: Any) -> Frame:
        """Send a message, and give its ack."""
        return await self.ask("send_message", text=text, **fields)

    async def hear(self, text: str, *, seconds: float = SECONDS, **fields: Any) -> dict[str, Any]:
        """Send a message, wait for the end of its run, and give the answer's message."""
        ack = await self.say(text, **fields)
        return await self.answer_of(ack["run_id"], seconds=seconds)

    async def answer_of(self, run_id: str, *, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for the end of the run, and give the answer's message."""

        def ended(state: State) -> bool:
            run = state.runs.get(run_id)
            return run is not None and run["status"] in ("completed", "failed", "stopped")

        await self.holds(ended, f"the end of run {run_id}", seconds=seconds)
        return self.state.messages[self.state.runs[run_id]["message_id"]]

    async def hears(self, text: str, run_id: str | None = None, *, seconds: float = SECONDS) -> State:
        """Wait until the answer of the run, or the last message, has this in it."""

        def says(state: State) -> bool:
            if run_id is None:
                return text in state.said
            run = state.runs.get(run_id)
            answer = state.messages.get(run["message_id"]) if run else None
            return answer is not None and text in answer["text"]

        return await self.holds(says, f"{text!r} in an answer", seconds=seconds)

    async def write(self, frame: object) -> None:
        """Send anything at all as a frame: text and bytes as they are, the rest as JSON."""
        await self._socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def closed(self, *, seconds: float = SECONDS) -> int:
        """Wait until the server closes, and give its code."""
        await asyncio.wait_for(asyncio.shield(self._reader), seconds)
        assert self.close_code is not None
        return self.close_code

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    def vanish(self) -> None:
        """Lose the connection, without a word."""
        self._socket.transport.abort()

    @property
    def events(self) -> list[Frame]:
        """The frames of the log."""
        return [frame for frame in self.frames if is_event(frame)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _wait(self, true: Callable[[], bool], what: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    if self._reader.done():
                        raise Closed(
                            f"closed with {self.close_code} while waiting for {what}; {self._last()}"
                        )
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {seconds:g} s; {self._last()}") from None

    def _last(self) -> str:
        return "the last frames were:\n" + "\n".join(str(frame)[:400] for frame in self.frames[-5:])


CONTROL = ("hello", "snapshot", "caught_up", "ack", "error", "ping", "pong")


def is_event(frame: Frame) -> bool:
    return frame["type"] not in CONTROL


async def open_tab(
    ws_url: str,
    path: str,
    *,
    token: str | None = None,
    cookie: str | None = None,
    origin: str | None = None,
    after: int | None = None,
    receipts: bool = True,
    state: State | None = None,
) -> Tab:
    """A socket at `path`. Raises websockets' InvalidStatus where there is no handshake."""
    headers = {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if cookie is not None:
        headers["Cookie"] = cookie
    if origin is not None:
        headers["Origin"] = origin
    query = "" if after is None else f"?after={after}"
    socket = await connect(
        f"{ws_url}{path}{query}",
        additional_headers=headers,
        max_size=MAX_FRAME_BYTES,
        proxy=None,
        compression=None,
        open_timeout=SECONDS,
        close_timeout=2,
    )
    return Tab(socket, receipts=receipts, state=state)


class Person:
    """Somebody with a token, at one web server."""

    def __init__(self, url: str, name: str, id_: int, token: str) -> None:
        self.url = url.rstrip("/")
        self.ws_url = self.url.replace("http", "ws", 1)
        self.name = name
        self.id = id_
        self.token = token
        self.http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=SECONDS,
        )

    def at(self, url: str) -> Person:
        """The same person at another server."""
        return Person(url, self.name, self.id, self.token)

    async def thread(self, **fields: Any) -> str:
        """The id of a new thread."""
        made = await self.http.post("/threads", json=fields)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def tab(
        self, thread_id: str, *, after: int | None = None, receipts: bool = True, state: State | None = None
    ) -> Tab:
        """An open socket on the thread, not yet caught up."""
        path = f"/ws/threads/{thread_id}/"
        return await open_tab(
            self.ws_url, path, token=self.token, after=after, receipts=receipts, state=state
        )

    async def ready(self, thread_id: str, *, after: int | None = None, state: State | None = None) -> Tab:
        """An open socket on the thread, caught up."""
        tab = await self.tab(thread_id, after=after, state=state)
        await tab.until("caught_up")
        return tab

    async def list(self) -> Tab:
        """An open socket on the list of threads."""
        return await open_tab(self.ws_url, "/ws/threads/", token=self.token)

    async def fresh(self, thread_id: str) -> State:
        """The thread as somebody sees it who comes now."""
        async with await self.ready(thread_id) as tab:
            return tab.state

    async def settled(self, thread_id: str) -> State:
        """The thread once it has its title, which a job gives it behind the first answer: its log is at rest then."""
        async with await self.ready(thread_id) as tab:
            return await tab.holds(lambda state: bool(state.thread and state.thread["title"]), "a title")

    @asynccontextmanager
    async def stream(
        self, thread_id: str, *, after: int | None = None, last_event_id: int | None = None
    ) -> AsyncIterator[AsyncIterator[tuple[str, str, str]]]:
        """The thread's events by Server-Sent Events, as (id, event, data); a comment comes as ("", "", comment)."""
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        params = {} if after is None else {"after": after}
        path = f"/threads/{thread_id}/events"
        async with self.http.stream("GET", path, headers=headers, params=params, timeout=SECONDS) as response:
            assert response.status_code == 200, response.status_code
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _server_sent_events(response)

    async def close(self) -> None:
        await self.http.aclose()


async def _server_sent_events(response: httpx.Response) -> AsyncIterator[tuple[str, str, str]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            yield "", "", line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields.get("id", ""), fields.get("event", ""), fields["data"]
            fields = {}
