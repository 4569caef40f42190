"""The snapshot, which Postgres makes, is what Django's objects make of the same rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from chat import db, events, history, log, snapshot
from chat.db import in_thread
from chat.errors import NotFound
from chat.models import Image, Message, Run, Thread, ToolCall
from tests import rows
from tests.services.databases import Database

ERROR = {"code": "model_failed", "message": 'It "broke"\n, 🦊.', "retryable": True}


@pytest_asyncio.fixture
async def thread(database: Database) -> AsyncIterator[Thread]:
    yield await in_thread(thread_of_every_kind)
    await db.close()


def thread_of_every_kind() -> Thread:
    """Turns with pictures; a branch; an ended run that failed; one at work; one that waits."""
    ada = User.objects.create(username="ada")
    (thread,) = rows.threads(ada, 1, turns=2)
    picture = Image.objects.first()
    assert picture is not None
    thread.background = {"kind": "image", "image_id": str(picture.id), "url": picture.url}
    now = timezone.now()
    second = Message.objects.filter(role="assistant", parent__parent__isnull=False).get()
    Image.objects.filter(message=second).update(accent={"light": "red", "dark": "blue"}, announced=False)
    Message.objects.create(
        thread=thread, parent=second.parent, role="assistant", text="other", sibling_index=1
    )
    Run.objects.filter(answer=second).update(
        error=ERROR, started_at=now, ended_at=now + timedelta(seconds=0.57)
    )
    question = Message.objects.create(
        thread=thread, parent=thread.head, role="user", text='a\\b "c" \u2028 é'
    )
    run = Run.objects.create(
        thread=thread,
        prompt=question,
        status="running",
        attempt=2,
        attempts=[{"attempt": 1, "worker": "host:7", "outcome": "lost"}, {"attempt": 2, "worker": "host:8"}],
        first_seq=thread.last_seq,
        queued_seq=thread.last_seq,
        started_at=now,
    )
    answer = Message.objects.create(
        thread=thread, parent=question, run=run, role="assistant", status="streaming"
    )
    run.answer = answer
    run.save()
    for place in range(2):
        ToolCall.objects.create(
            run=run,
            message=answer,
            tool_call_id=f"call_{place}",
            name="search",
            args={"deep": [1, 2.5, None, {"é": "x"}]},
            text_offset=place,
            started_at=now,
        )
    waiting = Message.objects.create(thread=thread, role="user", text="later", status="queued")
    Run.objects.create(thread=thread, prompt=waiting, queued_seq=thread.last_seq + 1)
    Thread.objects.filter(id=thread.id).update(
        head=answer, active_run=run, active_attempt=2, background=thread.background
    )
    with transaction.atomic():
        told: list[events.Event] = [
            events.AssistantDelta(message_id=str(answer.id), text="gone"),
            events.MessageRestarted(message_id=str(answer.id), attempt=2, text="It is "),
            events.ReasoningDelta(message_id=str(answer.id), text="hm"),
            events.AssistantDelta(message_id=str(answer.id), text="so."),
            events.ToolCallProgress(tool_call_id="call_1", progress=0.5, text="half"),
            events.RunProgress(
                status="running", current_step="search", tools_called=1, tokens=3, elapsed_ms=4
            ),
        ]
        log.record(thread.id, told, run_id=run.id)
    thread.refresh_from_db()
    return thread


async def read(thread: Thread, limit: int = history.PAGE) -> dict[str, Any]:
    return events.loads((await snapshot.read(thread.owner_id, thread.id, limit)).text)


async def test_a_snapshot_says_of_each_row_what_its_object_says(thread: Thread) -> None:
    found = await read(thread)
    page = await in_thread(history.page, thread.owner_id, thread.id, None)
    *path, waiting = found["messages"]
    assert path == page["messages"]
    assert {tuple(sorted(message)) for message in found["messages"]} == {tuple(sorted(path[0]))}
    assert (waiting["text"], waiting["status"]) == ("later", "queued")
    assert found["thread"] == thread.as_object().model_dump(mode="json")
    runs = [run async for run in Run.objects.filter(status__in=Run.UNFINISHED).order_by("queued_seq")]
    runs[0].current_step = "search"  # which the log tells
    assert found["runs"] == [run.as_object().model_dump(mode="json") for run in runs]
    assert (found["type"], found["seq"], found["has_more"]) == ("snapshot", thread.last_seq, False)


async def test_the_rows_are_of_every_kind(thread: Thread) -> None:
    """Else the test above would say little."""
    found = await read(thread)
    messages = found["messages"]
    assert [run["recovered"] for run in found["runs"]] == [True, False]
    assert {message["status"] for message in messages} == {"complete", "streaming", "queued"}
    assert any(message["attachments"] for message in messages)
    assert any(image["accent"] for message in messages for image in message["images"])
    assert [message["error"] for message in messages if message["error"]] == [ERROR]
    assert 570 in [message["elapsed_ms"] for message in messages]
    assert 2 in [message["sibling_count"] for message in messages]
    streaming = messages[-2]
    assert (streaming["text"], streaming["reasoning"]) == ("It is so.", "hm")
    assert [call["progress"] for call in streaming["tool_calls"]] == [None, 0.5]
    assert 1.0 in [call["progress"] for message in messages for call in message["tool_calls"]]


async def test_a_run_that_failed_stands_under_the_answer_that_it_failed(thread: Thread) -> None:
    await Run.objects.filter(answer=thread.head_id).aupdate(status="failed", error=ERROR)
    await Message.objects.filter(thread=thread, status="streaming").aupdate(status="failed")
    found = await read(thread)
    assert [run["status"] for run in found["runs"]] == ["failed", "queued"]
    assert found["messages"][-2]["error"] == ERROR


async def test_a_longer_path_than_the_page_says_that_there_is_more(thread: Thread) -> None:
    found = await read(thread, 3)
    page = await in_thread(history.page, thread.owner_id, thread.id, None, 3)
    assert (found["messages"][:-1], found["has_more"]) == (page["messages"], True)


async def test_the_thread_of_another_is_none(thread: Thread) -> None:
    with pytest.raises(NotFound):
        await snapshot.read(thread.owner_id + 1, thread.id)
