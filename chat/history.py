"""A thread's messages, read from rows: pages of older ones, and what stands in them.

With snapshot.py the other of the two folds over the log (the first is static/chat/js/store.js): what a client that
watched has put together from events, another gets from here, and both must be the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from chat import events, objects
from chat.errors import NotFound
from chat.models import Event, Image, Message, Run, Thread, ToolCall

PAGE = 50
_PATH = """
WITH RECURSIVE path (id, parent_id, place) AS (
    SELECT id, parent_id, 1 FROM chat_message WHERE id = %s AND thread_id = %s
    UNION ALL
    SELECT message.id, message.parent_id, path.place + 1
    FROM chat_message AS message JOIN path ON message.id = path.parent_id
    WHERE path.place < %s
)
SELECT id FROM path ORDER BY place DESC
"""


def get_thread(user: Any, thread_id: UUID) -> Thread:
    """The person's own thread. Raises NotFound; another person's looks exactly the same."""
    thread: Thread | None = Thread.objects.owned_by(user).filter(id=thread_id).first()
    if thread is None:
        raise NotFound("There is no such thread.")
    return thread


def page(user: Any, thread_id: UUID, before: UUID | None, limit: int = PAGE) -> dict[str, Any]:
    """A page of the shown path, newest last: the messages before the message `before`, or the newest.

    Raises NotFound.
    """
    thread = get_thread(user, thread_id)
    last = thread.head_id
    if before is not None:
        known = Message.objects.filter(thread=thread, id=before).values_list("parent_id", flat=True)
        if not known:
            raise NotFound("There is no such message.")
        last = known[0]
    shown, has_more = _path(thread, last, limit)
    return {"messages": [message.model_dump(mode="json") for message in shown], "has_more": has_more}


def path_from(thread: Thread, first: Message) -> list[objects.Message]:
    """The shown path from the message `first` on."""
    ids = _path_ids(thread, thread.head_id, 1_000_000)
    ids = ids[ids.index(first.id) :]
    return as_objects(thread, Message.objects.filter(id__in=ids), ids)


def shown(thread: Thread, ids: Collection[UUID]) -> list[objects.Message]:
    """Of these messages those on the shown path, and those that wait their turn."""
    path = [id_ for id_ in _path_ids(thread, thread.head_id, 1_000_000) if id_ in ids]
    waiting = Message.objects.filter(thread=thread, status=Message.Status.QUEUED, id__in=ids)
    return [*as_objects(thread, Message.objects.filter(id__in=path), path), *as_objects(thread, waiting)]


def _path(thread: Thread, last: UUID | None, limit: int) -> tuple[list[objects.Message], bool]:
    ids = _path_ids(thread, last, limit + 1)
    has_more = len(ids) > limit
    ids = ids[-limit:]
    return as_objects(thread, Message.objects.filter(id__in=ids), ids), has_more


def _path_ids(thread: Thread, last: UUID | None, limit: int) -> list[UUID]:
    if last is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_PATH, [last, thread.id, limit])
        return [row[0] for row in cursor.fetchall()]


def as_objects(thread: Thread, messages: Any, order: Sequence[UUID] | None = None) -> list[objects.Message]:
    """Messages with all that stands in them, in the given order of ids, in a fixed number of queries."""
    rows: list[Message] = list(
        messages.select_related("run").prefetch_related("attachments", "tool_calls", "images")
    )
    if order is not None:
        by_id = {row.id: row for row in rows}
        rows = [by_id[id_] for id_ in order]
    if not rows:
        return []
    counts = _sibling_counts(thread, {row.parent_id for row in rows})
    partial = _partials([row for row in rows if row.status == Message.Status.STREAMING])
    return [
        _as_object(
            row,
            Inside(list(row.attachments.all()), list(row.tool_calls.all()), list(row.images.all())),
            row.run
            if row.role == Message.Role.ASSISTANT and row.status != Message.Status.STREAMING
            else None,
            siblings=0 if row.status == Message.Status.QUEUED else counts.get(row.parent_id, 0),
            partial=partial.get(row.id),
        )
        for row in rows
    ]


def _sibling_counts(thread: Thread, parents: set[UUID | None]) -> dict[UUID | None, int]:
    placed = Message.objects.filter(thread=thread).exclude(status=Message.Status.QUEUED)
    counts: dict[UUID | None, int] = dict(
        placed.filter(parent_id__in=[parent for parent in parents if parent is not None])
        .values_list("parent_id")
        .annotate(count=Count("id"))
    )
    if None in parents:
        counts[None] = placed.filter(parent=None).count()
    return counts


class Partial:
    """What an unfinished answer has come to: the fold of its run's events since it began."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.progress: dict[str, dict[str, Any]] = {}

    def apply(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "assistant_delta":
                self.text.append(event["text"])
            case "reasoning_delta":
                self.reasoning.append(event["text"])
            case "message_restarted":
                self.text = [event["text"]]
                self.reasoning = [event["reasoning"]]
            case "tool_call_progress":
                self.progress[event["tool_call_id"]] = {
                    name: event[name] for name in ("progress", "text", "preview_url")
                }


def _partials(streaming: Iterable[Message]) -> dict[UUID, Partial]:
    found: dict[UUID, Partial] = {}
    for message in streaming:
        run = Run.objects.get(answer=message)
        partial = found[message.id] = Partial()
        written = Event.objects.filter(
            thread_id=message.thread_id, seq__gt=run.first_seq, run_id=run.id, type__in=events.DISPOSABLE
        )
        for body in written.order_by("seq").values_list("body", flat=True):
            partial.apply(events.loads(body))
    return found


def partial_text(message: Message) -> tuple[str, str]:
    """Text and reasoning of an unfinished answer as the log has them."""
    partial = _partials([message])[message.id]
    return "".join(partial.text), "".join(partial.reasoning)


@dataclass(frozen=True)
class Inside:
    """What stands in a message beside its text."""

    attachments: Sequence[Image] = ()
    tool_calls: Sequence[ToolCall] = ()
    images: Sequence[Image] = ()


def as_written(row: Message, inside: Inside, run: Run | None = None) -> objects.Message:
    """A message as it was just written, by who wrote it and knows what is inside: nothing is asked of the database.

    It is the newest of its siblings. `run` is given with an answer whose run has ended.
    """
    return _as_object(row, inside, run, siblings=row.sibling_index + 1, partial=None)


def _as_object(
    row: Message, inside: Inside, run: Run | None, *, siblings: int, partial: Partial | None
) -> objects.Message:
    calls = [
        call.as_object() for call in sorted(inside.tool_calls, key=lambda call: (call.text_offset, call.pk))
    ]
    text, reasoning = row.text, row.reasoning
    if partial is not None:
        text, reasoning = "".join(partial.text), "".join(partial.reasoning)
        calls = [
            call.model_copy(update=partial.progress.get(call.id, {})) if call.duration_ms is None else call
            for call in calls
        ]
    return objects.Message(
        id=str(row.id),
        thread_id=str(row.thread_id),
        run_id=str(row.run_id) if row.run_id else None,
        parent_id=str(row.parent_id) if row.parent_id else None,
        role=row.role,
        text=text,
        reasoning=reasoning,
        status=row.status,
        attachments=[image.as_object() for image in inside.attachments],
        tool_calls=calls,
        images=[
            image.as_object()
            for image in sorted(inside.images, key=lambda image: image.created_at)
            # While the run is at work, one that is saved and not yet in the log is not there yet.
            if image.announced or row.status != Message.Status.STREAMING
        ],
        sibling_index=row.sibling_index,
        sibling_count=max(siblings, 1),
        error=objects.RunError.model_validate(run.error) if run and run.error else None,
        elapsed_ms=run.elapsed_ms if run else None,
        created_at=row.created_at,
    )
