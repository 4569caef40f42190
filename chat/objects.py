"""The protocol's objects: what a thread, a message, a run, a tool call and an image look like to a client.

Shapes only; models.py fills them from rows. Ids are UUIDs as strings, times ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

Time = Annotated[
    datetime,
    PlainSerializer(
        lambda t: t.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str
    ),
]

MessageStatus = Literal["streaming", "complete", "stopped", "failed", "queued"]
RunStatus = Literal["queued", "running", "interrupted", "completed", "failed", "stopped"]
ToolCallStatus = Literal["running", "succeeded", "failed", "cancelled", "rejected", "waiting"]


class Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Accent(Object):
    """The colour that a picture lends to the page, as CSS, moved until it keeps its contrast in each theme."""

    light: str
    dark: str


class ImageBackground(Object):
    kind: Literal["image"] = "image"
    image_id: str
    url: str
    accent: Accent | None = None


class PlainBackground(Object):
    kind: Literal["color", "gradient"]
    value: str


Background = ImageBackground | PlainBackground


class Thread(Object):
    id: str
    title: str
    background: Background | None
    head_id: str | None
    archived: bool
    model: str
    created_at: Time
    updated_at: Time


class Image(Object):
    id: str
    thread_id: str | None
    run_id: str | None
    tool_call_id: str | None
    prompt: str
    url: str
    thumbnail_url: str
    width: int
    height: int
    accent: Accent | None
    created_at: Time


class ToolCall(Object):
    """`text_offset` is the place in the message's text, in code points, where the call stands."""

    id: str
    run_id: str
    message_id: str
    name: str
    args: dict[str, Any]
    status: ToolCallStatus
    progress: float | None
    text: str
    preview_url: str | None
    result: str | None
    error: str | None
    text_offset: int
    started_at: Time
    duration_ms: int | None


class RunError(Object):
    """Why a run failed, or completed with less than was meant (`cut_short`), in words that a person can act on."""

    code: str
    message: str
    retryable: bool


class Message(Object):
    """`error` and `elapsed_ms` tell of the run that wrote an answer, once it has ended."""

    id: str
    thread_id: str
    run_id: str | None
    parent_id: str | None
    role: Literal["user", "assistant"]
    text: str
    reasoning: str
    status: MessageStatus
    attachments: list[Image]
    tool_calls: list[ToolCall]
    images: list[Image]
    sibling_index: int
    sibling_count: int
    error: RunError | None
    elapsed_ms: int | None
    created_at: Time


class Interrupt(Object):
    id: str
    tool_call_id: str
    name: str
    args: dict[str, Any]
    allowed_decisions: list[str]


class Run(Object):
    id: str
    thread_id: str
    message_id: str | None
    status: RunStatus
    attempt: int
    recovered: bool
    current_step: str | None
    interrupts: list[Interrupt]
    error: RunError | None
    usage: dict[str, int] | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
