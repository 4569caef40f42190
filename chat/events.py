"""What the server says to a client: one class for each event of a thread's log.

An event is made here, numbered and stored by log.py, and carried to clients as it was stored. `encode` is the only
place where an event becomes JSON; it happens once, whatever the number of tabs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from chat import objects


class _Event(BaseModel):
    """`of_run` says that the frame carries the `run_id` of the run that wrote it."""

    model_config = ConfigDict(extra="forbid")
    of_run: ClassVar[bool] = True
    type: str


class ThreadUpdated(_Event):
    of_run = False
    type: Literal["thread_updated"] = "thread_updated"
    thread: objects.Thread


class BranchSelected(_Event):
    of_run = False
    type: Literal["branch_selected"] = "branch_selected"
    head_id: str | None
    messages: list[objects.Message]


class MessageCreated(_Event):
    type: Literal["message_created"] = "message_created"
    message: objects.Message


class AssistantDelta(_Event):
    type: Literal["assistant_delta"] = "assistant_delta"
    message_id: str
    text: str


class ReasoningDelta(_Event):
    type: Literal["reasoning_delta"] = "reasoning_delta"
    message_id: str
    text: str


class MessageRestarted(_Event):
    """The message's text (and reasoning) is now this, which is certain; the rest is being written again."""

    type: Literal["message_restarted"] = "message_restarted"
    message_id: str
    attempt: int
    text: str
    reasoning: str = ""


class MessageCompleted(_Event):
    type: Literal["message_completed"] = "message_completed"
    message: objects.Message


class ToolCallStarted(_Event):
    type: Literal["tool_call_started"] = "tool_call_started"
    tool_call: objects.ToolCall


class ToolCallProgress(_Event):
    type: Literal["tool_call_progress"] = "tool_call_progress"
    tool_call_id: str
    progress: float | None = None
    text: str = ""
    preview_url: str | None = None


class ToolCallCompleted(_Event):
    type: Literal["tool_call_completed"] = "tool_call_completed"
    tool_call: objects.ToolCall


class ImageReady(_Event):
    type: Literal["image_ready"] = "image_ready"
    url: str
    prompt: str
    tool_call_id: str
    image: objects.Image


class AgentUpdate(_Event):
    type: Literal["agent_update"] = "agent_update"
    node: str
    data: dict[str, Any]


class RunQueued(_Event):
    type: Literal["run_queued"] = "run_queued"
    run: objects.Run


class RunStarted(_Event):
    type: Literal["run_started"] = "run_started"
    run: objects.Run


class RunRecovered(_Event):
    type: Literal["run_recovered"] = "run_recovered"
    run: objects.Run


class RunProgress(_Event):
    type: Literal["run_progress"] = "run_progress"
    status: objects.RunStatus
    current_step: str | None
    tools_called: int
    tokens: int
    elapsed_ms: int


class RunInterrupted(_Event):
    type: Literal["run_interrupted"] = "run_interrupted"
    run: objects.Run
    interrupts: list[objects.Interrupt]


class RunCompleted(_Event):
    type: Literal["run_completed"] = "run_completed"
    run: objects.Run


class RunFailed(_Event):
    type: Literal["run_failed"] = "run_failed"
    run: objects.Run
    error: objects.RunError


class RunStopped(_Event):
    type: Literal["run_stopped"] = "run_stopped"
    run: objects.Run


class Custom(_Event):
    """A tool's own structured event that is none of the others."""

    type: Literal["custom"] = "custom"
    name: str
    value: Any


Event = (
    ThreadUpdated
    | BranchSelected
    | MessageCreated
    | AssistantDelta
    | ReasoningDelta
    | MessageRestarted
    | MessageCompleted
    | ToolCallStarted
    | ToolCallProgress
    | ToolCallCompleted
    | ImageReady
    | AgentUpdate
    | RunQueued
    | RunStarted
    | RunRecovered
    | RunProgress
    | RunInterrupted
    | RunCompleted
    | RunFailed
    | RunStopped
    | Custom
)

adapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])

DELTAS = ("assistant_delta", "reasoning_delta")
"""The types whose neighbours a replay may merge, and whose rows go when their message completes."""

DISPOSABLE = (*DELTAS, "message_restarted", "tool_call_progress", "run_progress")
"""The types that say nothing more once the message of their run is complete."""


def now() -> str:
    """This moment as the protocol writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(event: Event, *, thread_id: UUID, run_id: UUID | None, at: str) -> str:
    """The event as JSON, complete but for its `seq`, which only the log can give: see `frame`."""
    body: dict[str, Any] = {"type": event.type, "at": at, "thread_id": thread_id}
    if run_id is not None:
        body["run_id"] = run_id
    if isinstance(event, AssistantDelta | ReasoningDelta):  # most of all events: no walk over the fields
        body["message_id"] = event.message_id
        body["text"] = event.text
    else:
        body |= event.model_dump(mode="json", exclude={"type"})
    return dumps(body)


def dumps(body: dict[str, Any] | list[dict[str, Any]]) -> str:
    """As JSON text."""
    return orjson.dumps(body).decode()


def loads(body: str) -> dict[str, Any]:
    """A stored event's fields."""
    fields: dict[str, Any] = orjson.loads(body)
    return fields


def frame(seq: int, body: str) -> str:
    """A stored event as clients get it."""
    return f'{{"seq":{seq},{body[1:]}'
