"""/threads: list, make, read, change, delete; messages and commands."""

from __future__ import annotations

import uuid
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import BaseModel, Field

from chat import commands, history, objects, runs, threads
from chat.errors import InvalidField, NotFound, UnknownCommand

router = Router(tags=["threads"])

PAGE_MAX = 200


class ThreadEntry(objects.Thread):
    """A thread as the list shows it."""

    running: bool


class ThreadPage(Schema):
    threads: list[ThreadEntry]
    cursor: str | None


class NewThread(BaseModel):  # no Schema, which reads attributes too: "x" has a `title`
    title: str = ""


class ThreadChange(BaseModel):
    """What is to change; a field that is left out stays."""

    title: str | None = None
    archived: bool | None = None
    background: dict[str, Any] | None = None


class MessagePage(Schema):
    messages: list[objects.Message]
    has_more: bool


@router.get("", response=ThreadPage)
def list_threads(
    request: HttpRequest,
    q: str = "",
    archived: bool = False,
    cursor: str = "",
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50,
) -> Any:
    """The person's threads, the latest first; with `q`, those whose title or messages have its words."""
    return threads.entries(_user(request), query=q, archived=archived, cursor=cursor, limit=limit)


@router.post("", response={201: objects.Thread})
def make_thread(request: HttpRequest, body: NewThread | None = None) -> Any:
    """Make an empty thread."""
    return 201, threads.create(_user(request), body.title if body else "").as_object()


@router.get("/{thread_id}", response=objects.Thread)
def read_thread(request: HttpRequest, thread_id: UUID) -> Any:
    """One thread."""
    return history.get_thread(_user(request), thread_id).as_object()


@router.patch("/{thread_id}", response=objects.Thread)
def change_thread(request: HttpRequest, thread_id: UUID, body: ThreadChange) -> Any:
    """Rename, archive, set the background: `{kind: image, image_id}`, `{kind: color | gradient, value}` or null."""
    given = body.model_fields_set
    with transaction.atomic():
        thread = threads.lock(_user(request), thread_id)
        if "title" in given:
            if body.title is None:
                raise InvalidField("A title is a text.", field="title")
            threads.rename(thread, body.title)
        if "archived" in given:
            threads.archive(thread, bool(body.archived))
        if "background" in given:
            threads.set_background(thread, body.background)
    return thread.as_object()


@router.delete("/{thread_id}", response={204: None})
def delete_thread(request: HttpRequest, thread_id: UUID) -> Any:
    """Delete the thread with its messages, pictures and the agent's memory of it."""
    threads.delete(_user(request), thread_id)
    return 204, None


@router.get("/{thread_id}/messages", response=MessagePage)
def list_messages(
    request: HttpRequest,
    thread_id: UUID,
    before: str | None = None,
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 50,
) -> Any:
    """A page of the shown path, newest last: the messages before `before`, or the newest."""
    try:
        before_id = UUID(before) if before else None
    except ValueError:
        raise NotFound("There is no such message.") from None
    return history.page(_user(request), thread_id, before_id, limit)


@router.post("/{thread_id}/messages", response={202: dict[str, Any]})
def send_message(request: HttpRequest, thread_id: UUID) -> Any:
    """The same as the command `send_message`; `id` may be left out where sending twice does no harm."""
    fields = commands.loads_object(request.body)
    command = commands.parse({"id": str(uuid.uuid4()), **fields, "type": "send_message"})
    return 202, runs.honour(_user(request), thread_id, command)  # type: ignore[arg-type]


@router.post("/{thread_id}/commands", response=dict[str, Any])
def command(request: HttpRequest, thread_id: UUID) -> Any:
    """Any command of the protocol, with the same answers: `{id, …}`."""
    asked = commands.parse(commands.loads(request.body))
    if isinstance(asked, commands.Received):
        raise UnknownCommand("`received` belongs to a socket.")
    if isinstance(asked, commands.Ping):
        return {"id": asked.id}
    return {"id": asked.id, **runs.honour(_user(request), thread_id, asked)}


def _user(request: HttpRequest) -> Any:
    return request.auth  # type: ignore[attr-defined]
