"""Conversations with a server under test, each in the server's own protocol; what they heard is checked word by word.

A conversation asks for numbered words (see model_server.py). Every word must come once and in order: whatever else
comes is a fault of the answer, and a measure with a fault counts as failed.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks import wire

OPEN_SECONDS = 30.0


@dataclass(slots=True)
class Answer:
    """One answer as it was heard. Moments are seconds of the monotonic clock, `gaps` and `delays` seconds."""

    wanted: int
    pace: int
    sent_at: float = 0.0
    acknowledged_at: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    heard: int = 0
    gaps: list[float] = field(default_factory=list)
    """Between one arrival of words and the next."""
    delays: list[float] = field(default_factory=list)
    """Of each word, from the model's socket to here."""
    lateness: list[float] = field(default_factory=list)
    """Of each word at the model: how far behind its own pace the model was. That is no server's fault."""
    faults: list[str] = field(default_factory=list)
    _half: str = ""
    _first_said: float = 0.0

    def hear(self, text: str) -> None:
        """Words came, or a part of one."""
        now = time.monotonic()
        *words, self._half = (self._half + text).split(" ")
        for word in words:
            number, _, moment = word.partition(".")
            if not moment or int(number, 36) != self.heard:
                self.faults.append(f"expected word {self.heard}, heard {word!r}")
                return
            said = int(moment, 36) / 1e6
            self.delays.append(now - said)
            if not self.heard:
                self._first_said = said
            elif self.pace:
                self.lateness.append(said - self._first_said - self.heard / self.pace)
            self.heard += 1
        if self.last_at:
            self.gaps.append(now - self.last_at)
        else:
            self.first_at = now
        self.last_at = now

    def end(self) -> None:
        """The server says that this was all."""
        if self.heard != self.wanted or self._half:
            self.faults.append(f"ended after {self.heard} of {self.wanted} words {self._half!r}")

    @property
    def ideal_seconds(self) -> float:
        return self.wanted / self.pace if self.pace else 0.0

    @property
    def total_seconds(self) -> float:
        return self.last_at - self.sent_at


class Conversation(ABC):
    """One person's conversation: `ask` gives one answer after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answer = Answer(0, 0)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.socket: wire.WebSocket

    @abstractmethod
    async def open(self) -> None:
        """Connect, and return once a message can be sent."""

    @abstractmethod
    def _send(self, text: str) -> None:
        """Send a message."""

    async def ask(self, words: int, pace: int = 50) -> Answer:
        """Ask for words at a pace, 0 being all at once; gives the answer as it was heard."""
        answer = self.expect(words, pace)
        self._send(f"{words} words at {pace}")
        await self.heard()
        return answer

    def expect(self, words: int, pace: int = 50) -> Answer:
        """Get ready for an answer that somebody asks for now."""
        self.answer = Answer(words, pace)
        self.done = asyncio.get_running_loop().create_future()
        self.answer.sent_at = time.monotonic()
        return self.answer

    async def heard(self) -> None:
        """Return once the answer is whole, or it is far too late."""
        answer = self.answer
        try:
            async with asyncio.timeout(20 + 4 * answer.ideal_seconds):
                await self._first_of(self.done)
        except TimeoutError:
            answer.faults.append("did not end in time")
        if self.socket.closed.done():
            answer.faults.append(f"the server closed with {self.socket.closed.result()}")
        answer.end()

    async def _until(self, ready: asyncio.Future[None]) -> None:
        """Wait for what the server does once the socket is open. Raises ConnectionError where it hangs up instead."""
        await self._first_of(ready)
        if not ready.done():
            raise ConnectionError(f"the server closed with {self.socket.closed.result()}")

    async def _first_of(self, ready: asyncio.Future[None]) -> None:
        either: list[asyncio.Future[Any]] = [ready, self.socket.closed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    async def close(self) -> None:
        self.socket.close()
        await self.socket.closed


class BackdropConversation(Conversation):
    """A tab on a thread. Further tabs of the thread `expect` what the first one asks for."""

    def __init__(self, port: int, token: str, thread_id: str) -> None:
        super().__init__(port)
        self._token = token
        self.thread_id = thread_id
        self.seq = 0
        self._caught_up = asyncio.get_running_loop().create_future()
        self._text: list[str] = []
        self.acknowledged: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.pongs: dict[str, float] = {}

    async def open(self, after: int | None = None) -> None:
        query = "" if after is None else f"?after={after}"
        self.seq = after or 0
        headers = {"Authorization": f"Bearer {self._token}"}
        path = f"/ws/threads/{self.thread_id}/{query}"
        async with asyncio.timeout(OPEN_SECONDS):
            self.socket = await wire.connect(self.port, path, self._hear, headers)
            await self._until(self._caught_up)

    def _send(self, text: str) -> None:
        self.acknowledged = asyncio.get_running_loop().create_future()
        self.command(type="send_message", id=uuid.uuid4().hex, text=text)

    def command(self, **fields: Any) -> None:
        """Send a command as it is."""
        self.socket.send(orjson.dumps(fields))

    def _hear(self, data: bytes) -> None:
        frame = orjson.loads(data)
        seq = frame.get("seq")
        match frame["type"]:
            case "assistant_delta":
                self._number(seq)
                self._text.append(frame["text"])
                self.answer.hear(frame["text"])
            case "ack":
                self.answer.acknowledged_at = time.monotonic()
                if not self.acknowledged.done():
                    self.acknowledged.set_result(frame)
            case "error":
                self.answer.faults.append(f"refused: {frame['code']}")
                self._finish()
            case "pong":
                self.pongs[frame["id"]] = time.monotonic()
            case "snapshot":
                self.seq = seq
            case "caught_up":
                if not self._caught_up.done():
                    self._caught_up.set_result(None)
            case "hello" | "ping":
                pass
            case "message_completed" if frame["message"]["role"] == "assistant":
                # The deltas that were let go before they were heard are in it.
                self._number(seq)
                whole, said = frame["message"]["text"], "".join(self._text)
                if not whole.startswith(said):
                    self.answer.faults.append("the whole answer is not what its deltas said")
                elif whole != said:
                    self.answer.hear(whole[len(said) :])
                self._text = []
            case kind:
                self._number(seq)
                if kind in ("run_completed", "run_failed", "run_stopped"):
                    if kind != "run_completed":
                        self.answer.faults.append(kind)
                    self.command(type="received", seq=seq)
                    self._finish()

    def _number(self, seq: int) -> None:
        # Numbers are left out: where neighbouring deltas were merged into one frame, and where they were let go.
        if seq <= self.seq:
            self.answer.faults.append(f"event {seq} came after event {self.seq}")
        self.seq = seq


class TutorialConversation(Conversation):
    """A conversation with baselines/tutorial.py."""

    async def open(self) -> None:
        async with asyncio.timeout(OPEN_SECONDS):
            self.socket = await wire.connect(self.port, f"/ws/{uuid.uuid4()}", self._hear)

    def _send(self, text: str) -> None:
        self.socket.send(text.encode())

    def _hear(self, data: bytes) -> None:
        frame = orjson.loads(data)
        if frame["type"] == "token":
            self.answer.hear(frame["text"])
        else:
            self._finish()


class ChainlitConversation(Conversation):
    """A conversation with Chainlit: socket.io events over engine.io packets over a WebSocket."""

    _PATH = "/ws/socket.io/?EIO=4&transport=websocket"

    async def open(self) -> None:
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(OPEN_SECONDS):
            self.socket = await wire.connect(self.port, self._PATH, self._hear)
            await self._until(self._connected)

    def _send(self, text: str) -> None:
        message = {"id": str(uuid.uuid4()), "name": "user", "type": "user_message", "output": text}
        message["createdAt"] = "2025-01-01T00:00:00.000Z"
        self._emit("client_message", {"message": message, "fileReferences": []})

    def _emit(self, event: str, *data: Any) -> None:
        self.socket.send(b"42" + json.dumps([event, *data]).encode())

    def _hear(self, packet: bytes) -> None:
        if packet.startswith(b"42"):
            event, *data = orjson.loads(packet[2:])
            if event == "stream_token":
                self.answer.hear(data[0]["token"])
            elif event == "stream_start" and (said := data[0].get("output")):
                self.answer.hear(said)
            elif event == "task_end" and self.answer.heard:
                self._finish()
        elif packet == b"2":
            self.socket.send(b"3")
        elif packet.startswith(b"0"):
            self.socket.send(
                b"40" + json.dumps({"sessionId": str(uuid.uuid4()), "clientType": "webapp"}).encode()
            )
        elif packet.startswith(b"40"):
            self._emit("connection_successful")
            self._connected.set_result(None)
