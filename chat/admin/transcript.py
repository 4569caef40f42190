"""A thread as an administrator reads it: one path through its messages, with every fork marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator

from chat import history, objects
from chat.models import Message, Thread

PAGE = 50


@dataclass(frozen=True)
class Part:
    """A piece of a message: text, or a tool call with the pictures that it made."""

    text: str = ""
    call: objects.ToolCall | None = None
    images: tuple[objects.Image, ...] = ()


@dataclass(frozen=True)
class Version:
    id: UUID
    number: int
    shown: bool


@dataclass(frozen=True)
class Entry:
    message: objects.Message
    parts: list[Part]
    versions: list[Version]
    """All messages of the same place, where there are several: an edit or a regeneration made them."""


@dataclass(frozen=True)
class Transcript:
    entries: list[Entry]
    page: Page[UUID]
    aside: bool
    """Whether this is another path than the one that the thread shows."""


def read(thread: Thread, *, through: UUID | None = None, page: Any = None) -> Transcript:
    """The thread's shown path, or the newest path through the message `through`; a page of it, by default the last."""
    rows = list(
        Message.objects.filter(thread=thread)
        .order_by("sibling_index", "created_at")
        .values_list("id", "parent_id", "status")
    )
    parents: dict[UUID, UUID | None] = {}
    children: dict[UUID | None, list[UUID]] = {}
    queued: list[UUID] = []
    for id_, parent_id, status in rows:
        if status == Message.Status.QUEUED:
            queued.append(id_)
        else:
            parents[id_] = parent_id
            children.setdefault(parent_id, []).append(id_)

    last = thread.head_id
    if through in parents:
        last = through
        while last in children:
            last = children[last][-1]
    path: list[UUID] = []
    while last is not None and last in parents:
        path.append(last)
        last = parents[last]
    path.reverse()

    paginator = Paginator(path, PAGE)
    shown = paginator.get_page(page or paginator.num_pages)
    ids = list(shown.object_list)
    if not shown.has_next():
        ids += queued
    messages = history.as_objects(thread, Message.objects.filter(id__in=ids), ids)
    entries = [
        Entry(
            message,
            _parts(message),
            _versions(id_, children.get(parents.get(id_), []) if id_ in parents else []),
        )
        for id_, message in zip(ids, messages, strict=True)
    ]
    return Transcript(entries, shown, aside=bool(path) and thread.head_id not in path)


def _parts(message: objects.Message) -> list[Part]:
    parts: list[Part] = []
    told = 0
    left = {image.id: image for image in message.images}
    for call in message.tool_calls:
        parts.append(Part(text=message.text[told : call.text_offset].strip("\n")))
        made = tuple(image for image in message.images if image.tool_call_id == call.id)
        parts.append(Part(call=call, images=made))
        told = max(told, call.text_offset)
        for image in made:
            left.pop(image.id, None)
    parts.append(Part(text=message.text[told:].strip("\n"), images=tuple(left.values())))
    return [part for part in parts if part.call or part.text.strip() or part.images]


def _versions(id_: UUID, siblings: list[UUID]) -> list[Version]:
    if len(siblings) < 2:
        return []
    return [Version(sibling, number, sibling == id_) for number, sibling in enumerate(siblings, 1)]
