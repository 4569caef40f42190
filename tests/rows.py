"""Rows in bulk, as use leaves them: written behind the application's back, for what only reads them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import psycopg
from django.contrib.auth.models import User
from django.db import connection as django_connection
from django.db import transaction
from django.db.models import AutoField
from django.utils import timezone

from chat import events
from chat.models import Event, Image, Message, Run, Thread, ToolCall
from tests.services.databases import Database

ANSWER = "In the den. " * 60


def threads(owner: User, count: int, *, turns: int = 1) -> list[Thread]:
    """New threads of so many turns."""
    made = [Thread(owner=owner, title=f"Where foxes sleep {at}", model="demo") for at in range(count)]
    Thread.objects.bulk_create(made)
    add_turns(made, turns)
    return made


def add_turns(made: Iterable[Thread], count: int) -> None:
    """Turns at the end of each thread: asked with a picture, answered with a tool's, told in the log."""
    made = list(made)
    now = timezone.now()
    messages: list[Message] = []
    runs: list[Run] = []
    calls: list[ToolCall] = []
    pictures: list[Image] = []
    attached: list[Image] = []
    told: list[Event] = []
    for thread in made:
        for _ in range(count):
            asked = Message(thread=thread, parent=thread.head, role="user", text="Where do foxes sleep?")
            run = Run(
                thread=thread,
                prompt=asked,
                status="completed",
                attempt=1,
                attempts=[{"attempt": 1, "worker": "host:7", "started_at": now.isoformat()}],
                usage={"input_tokens": 12, "output_tokens": 5},
                queued_seq=thread.last_seq,
                first_seq=thread.last_seq,
                created_at=now,
                started_at=now,
                ended_at=now + timedelta(seconds=2),
            )
            answer = Message(thread=thread, parent=asked, run=run, role="assistant", text=ANSWER)
            asked.run, run.answer, thread.head = run, answer, answer
            messages += [asked, answer]
            runs.append(run)
            calls.append(
                ToolCall(
                    run=run,
                    message=answer,
                    tool_call_id="call_1",
                    name="generate_image",
                    args={"prompt": "a fox"},
                    status="succeeded",
                    result="Painted.",
                    started_at=now,
                    duration_ms=900,
                )
            )
            pictures.append(_picture(thread, run=run, message=answer, tool_call_id="call_1"))
            attached.append(_picture(thread))
            for event in (
                events.RunQueued(run=run.as_object()),
                events.ThreadUpdated(thread=thread.as_object()),
            ):
                thread.last_seq += 1
                run_id = run.id if event.of_run else None
                body = events.encode(event, thread_id=thread.id, run_id=run_id, at=events.now())
                told.append(
                    Event(thread=thread, seq=thread.last_seq, type=event.type, run_id=run_id, body=body)
                )
    with transaction.atomic():  # the rows refer to each other: only its end must find them whole
        Message.objects.bulk_create(messages)
        Run.objects.bulk_create(runs)
        ToolCall.objects.bulk_create(calls)
        Image.objects.bulk_create([*pictures, *attached])
        beside = Message.attachments.through
        beside.objects.bulk_create(
            beside(message_id=message.id, image_id=image.id)
            for message, image in zip(messages[::2], attached, strict=True)
        )
        Event.objects.bulk_create(told)
        Thread.objects.bulk_update(made, ["head", "last_seq"], batch_size=1000)


def multiply(database: Database, times: int) -> None:
    """So many more copies of all that belongs to threads, each with ids of its own.

    Every id becomes another that follows from it, in every column alike, so the copies refer to each other.
    """
    tables = (Thread, Message, Run, ToolCall, Image, Message.attachments.through, Event)
    call = uuid.uuid4()
    with psycopg.connect(database.url) as connection:
        connection.execute("SET session_replication_role = replica")  # what refers to what is right already
        for table in tables:
            columns = [field for field in table._meta.concrete_fields if not isinstance(field, AutoField)]
            names = ", ".join(f'"{column.column}"' for column in columns)
            copied = ", ".join(
                f"""md5("{column.column}"::text || '{call}' || n)::uuid"""
                if column.db_type(django_connection) == "uuid"
                else f'"{column.column}"'
                for column in columns
            )
            name = table._meta.db_table
            connection.execute(
                f"INSERT INTO {name} ({names}) SELECT {copied} FROM {name}, generate_series(1, {times}) AS n"
            )


def _picture(thread: Thread, **fields: Any) -> Image:
    """A row without files."""
    return Image(
        owner_id=thread.owner_id,
        thread=thread,
        prompt="a fox in its den",
        file="images/none.webp",
        thumbnail="images/none.small.webp",
        mime="image/webp",
        width=640,
        height=480,
        **fields,
    )
