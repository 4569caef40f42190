"""LangGraph's stream parts become the protocol's events. Pure: no database, no clock of its own, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolMessage

from chat import events, objects
from chat.agent import graph, history, voice

_OPEN = ("running", "waiting")
"""The states of a tool call that has not ended."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _Step:
    """The model call that is streaming. A retry of it has another `message_id`."""

    message_id: str | None
    heard: bool = False
    """Whether its words come by voice.py; then LangChain's chunk of them says nothing new."""
    text: str = ""
    reasoning: str = ""


class Translation:
    """One attempt of a run, read part by part: what `graph.stream` yields goes in, events come out.

    A run makes one answer message. `text` and `reasoning` are its own, those of the steps joined by a blank line;
    `tool_calls` stand in the text at their `text_offset`. All are at every moment what the events so far add up to.
    """

    def __init__(
        self,
        *,
        run_id: str,
        message_id: str,
        attempt: int,
        answered: Sequence[BaseMessage] = (),
        tool_calls: Mapping[str, objects.ToolCall] | None = None,
        started_at: datetime | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """`answered` are the run's messages that a checkpoint holds (resume.Position.answered); `tool_calls`, by id,
        are those that earlier attempts have shown."""
        self._run_id = run_id
        self._message_id = message_id
        self._attempt = attempt
        self._clock = clock
        self._started_at = started_at or clock()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._step: _Step | None = None
        self._read: set[str | None] = set()
        self.tool_calls: dict[str, objects.ToolCall] = dict(tool_calls or {})
        self.usage: dict[str, int] = {}
        self.is_cut_short = False
        """The model's limit has ended its last words, which the provider counts as an end like any other."""
        self.current_step: str | None = None
        self.checkpoint_id: str | None = None
        """The newest checkpoint that was announced; it is stored by the time the stream has ended."""
        for message in answered:
            if isinstance(message, AIMessage):
                self._count(message)
                self._texts.append(history.text(message))
                self._thoughts.append(history.reasoning(message))

    @property
    def text(self) -> str:
        """The answer as it reads now."""
        return history.join([*self._texts, self._step.text if self._step else ""])

    @property
    def reasoning(self) -> str:
        """What the model has let be seen of its thought."""
        return history.join([*self._thoughts, self._step.reasoning if self._step else ""])

    def restarted(self) -> events.MessageRestarted:
        """The event that takes the text back to what is certain: the first of an attempt that takes a run over."""
        self._step = None
        return events.MessageRestarted(
            message_id=self._message_id, attempt=self._attempt, text=self.text, reasoning=self.reasoning
        )

    def translate(self, part: Mapping[str, Any]) -> list[events.Event]:
        """The events of one stream part; parts of nested graphs and of unknown kinds have none."""
        if part["ns"]:
            return []
        match part["type"]:
            case "messages":
                return self._message(*part["data"])
            case "updates":
                return self._update(part["data"])
            case "custom":
                return self._custom(part["data"])
            case "checkpoints":
                return self._checkpoint(part["data"])
        return []

    def abandon(self, status: objects.ToolCallStatus, error: str) -> list[events.Event]:
        """Ends the tool calls that are still open, as `cancelled` or `failed`: a card never spins on."""
        still_open = [call for call in self.tool_calls.values() if call.status in _OPEN]
        return [self._complete(call, status, None, error) for call in still_open]

    # what the model says

    def _message(self, message: BaseMessage, metadata: Mapping[str, Any]) -> list[events.Event]:
        # Whole messages come here too (tool results, answers of models that do not stream): they are read as updates.
        if not isinstance(message, AIMessageChunk) or metadata.get("langgraph_node") != graph.MODEL:
            return []
        if self._step is not None and self._step.heard and self._step.message_id == message.id:
            return []
        return self._add(message.id, history.text(message), history.reasoning(message), heard=False)

    def hear(self, said: voice.Said) -> list[events.Event]:
        """The events of words that came past the stream, or by it."""
        text, reasoning = (piece.replace("\x00", "") for piece in said[1:])  # which no row can hold
        return self._add(said.message_id, text, reasoning, heard=True)

    def _add(self, message_id: str | None, text: str, reasoning: str, *, heard: bool) -> list[events.Event]:
        """Adds to the message. If it is not the step's, that one did not come to its end: its text is taken back."""
        if not (text or reasoning):
            return []
        out: list[events.Event] = []
        if self._step is None or self._step.message_id != message_id:
            if self._step is not None:
                out.append(self.restarted())
            self._step = _Step(message_id, heard)
        return out + self._think(reasoning) + self._say(text)

    def _say(self, text: str) -> list[events.Event]:
        if not text or self._step is None:
            return []
        gap = "\n\n" if not self._step.text and any(self._texts) else ""
        self._step.text += text
        return [events.AssistantDelta(message_id=self._message_id, text=gap + text)]

    def _think(self, thought: str) -> list[events.Event]:
        if not thought or self._step is None:
            return []
        gap = "\n\n" if not self._step.reasoning and any(self._thoughts) else ""
        self._step.reasoning += thought
        return [events.ReasoningDelta(message_id=self._message_id, text=gap + thought)]

    # what a step has done

    def _update(self, update: Mapping[str, Any]) -> list[events.Event]:
        out: list[events.Event] = []
        for node, value in update.items():
            if node.startswith("__"):  # LangGraph's own: interrupts, and whether the result was a stored one
                continue
            data: dict[str, Any] = {}
            for message in _messages(value):
                if message.id in self._read:
                    continue
                if isinstance(message, AIMessage) and node == graph.MODEL:
                    out += self._answered(message, data)
                elif isinstance(message, ToolMessage):
                    out += self._result(message, data)
            out.append(events.AgentUpdate(node=node, data=data))
        return out

    def _answered(self, message: AIMessage, data: dict[str, Any]) -> list[events.Event]:
        """Ends the step: its message is now what counts, whatever was streamed of it."""
        out: list[events.Event] = []
        if self._step is None:
            self._step = _Step(message.id)
        text, reasoning = history.text(message), history.reasoning(message)
        as_streamed = text.startswith(self._step.text) and reasoning.startswith(self._step.reasoning)
        if as_streamed:
            out += self._think(reasoning.removeprefix(self._step.reasoning))
            out += self._say(text.removeprefix(self._step.text))
        self._texts.append(text)
        self._thoughts.append(reasoning)
        self._step = None
        if not as_streamed:
            out.append(self.restarted())
        self._count(message)
        if message.tool_calls:
            data["tool_calls"] = [call["name"] for call in message.tool_calls]
        if tokens := history.usage(message).get("total_tokens"):
            data["tokens"] = tokens
        return out

    def _count(self, message: AIMessage) -> None:
        self._read.add(message.id)
        self.is_cut_short = message.response_metadata.get("finish_reason") == "length"
        for key, value in history.usage(message).items():
            self.usage[key] = self.usage.get(key, 0) + value

    def _result(self, message: ToolMessage, data: dict[str, Any]) -> list[events.Event]:
        call = self.tool_calls.get(message.tool_call_id)
        if call is None or call.status not in _OPEN:
            return []
        self._read.add(message.id)
        said = history.text(message)
        failed = message.status == "error"
        done = self._complete(
            call, "failed" if failed else "succeeded", None if failed else said, said if failed else None
        )
        data |= {"tool": call.name, "status": done.tool_call.status}
        return [done]

    def _complete(
        self, call: objects.ToolCall, status: objects.ToolCallStatus, result: str | None, error: str | None
    ) -> events.ToolCallCompleted:
        ended = call.model_copy(
            update={
                "status": status,
                "progress": 1.0 if status == "succeeded" else call.progress,
                "text": "",
                "preview_url": None,
                "result": result,
                "error": error,
                "duration_ms": _milliseconds(call.started_at, self._clock()),
            }
        )
        self.tool_calls[call.id] = ended
        return events.ToolCallCompleted(tool_call=ended)

    # what is stored

    def _checkpoint(self, checkpoint: Mapping[str, Any]) -> list[events.Event]:
        self.checkpoint_id = checkpoint["config"]["configurable"]["checkpoint_id"]
        # A run's first checkpoint may still be on its way when it is seen. It holds no call of this run.
        if checkpoint["metadata"].get("source") == "input":
            return []
        self.current_step = next(iter(checkpoint["next"]), None)
        answer = history.answer(checkpoint["values"].get("messages", []))
        # Of parallel calls, the results of those that ended before their worker died wait outside the messages.
        waiting = [message for task in checkpoint["tasks"] for message in _messages(task.get("result"))]
        out = self._calls([*answer, *waiting], graph.TOOLS in checkpoint["next"])
        out.append(
            events.RunProgress(
                status="running",
                current_step=self.current_step,
                tools_called=len(self.tool_calls),
                tokens=self.usage.get("total_tokens", 0),
                elapsed_ms=_milliseconds(self._started_at, self._clock()),
            )
        )
        return out

    def _calls(self, answer: Sequence[BaseMessage], tools_follow: bool) -> list[events.Event]:
        """Brings the tool calls in line with what is stored: only a stored call is shown, a stored result always.

        Read from the messages, not from the updates before, so that an attempt that takes over shows what the one
        before it stored and did not live to show.
        """
        out: list[events.Event] = []
        results = {message.tool_call_id: message for message in answer if isinstance(message, ToolMessage)}
        texts: list[str] = []
        for message in answer:
            if not isinstance(message, AIMessage):
                continue
            texts.append(history.text(message))
            for call in message.tool_calls:
                known = self.tool_calls.get(call["id"] or "")
                result = results.get(call["id"] or "")
                if known is None or (known.status != "running" and result is None and tools_follow):
                    out.append(self._start(call, len(history.join(texts))))
                if result is not None:
                    out += self._result(result, {})
        return out

    def _start(self, call: ToolCall, text_offset: int) -> events.ToolCallStarted:
        started = objects.ToolCall(
            id=call["id"] or "",
            run_id=self._run_id,
            message_id=self._message_id,
            name=call["name"],
            args=call["args"],
            status="running",
            progress=None,
            text="",
            preview_url=None,
            result=None,
            error=None,
            text_offset=text_offset,
            started_at=self._clock(),
            duration_ms=None,
        )
        self.tool_calls[started.id] = started
        return events.ToolCallStarted(tool_call=started)

    # what a tool says of itself

    def _custom(self, said: Any) -> list[events.Event]:
        if isinstance(said, voice.Said):
            return self.hear(said)
        if not isinstance(said, dict):
            return []
        match said.get("type"):
            case "tool_call_progress":
                progress = events.ToolCallProgress.model_validate(said)
                if call := self.tool_calls.get(progress.tool_call_id):
                    seen: dict[str, Any] = {"progress": progress.progress, "text": progress.text}
                    # A step without a new preview leaves the last one standing.
                    seen["preview_url"] = progress.preview_url = progress.preview_url or call.preview_url
                    self.tool_calls[call.id] = call.model_copy(update=seen)
                return [progress]
            case "image_ready":
                return [events.ImageReady.model_validate(said)]
        name = said.get("name") or said.get("type")
        if not isinstance(name, str):
            return []
        rest = {key: value for key, value in said.items() if key not in ("name", "type")}
        return [events.Custom(name=name, value=rest["value"] if set(rest) == {"value"} else rest)]


def _messages(value: Any) -> Iterable[BaseMessage]:
    """The messages a node wrote; it may have written nothing, once, or several times."""
    for update in value if isinstance(value, list) else [value]:
        written = update.get("messages") if isinstance(update, Mapping) else None
        for message in written if isinstance(written, list) else [written]:
            if isinstance(message, BaseMessage):
                yield message


def _milliseconds(since: datetime, until: datetime) -> int:
    return max(0, round((until - since).total_seconds() * 1000))
