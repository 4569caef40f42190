"""Rows by hand-written statements are what Django's own would make and find of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, models, transaction

from chat import table
from chat.models import HonouredCommand, Image, Message, Run, Thread, Token, ToolCall

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, RUNS, MESSAGES = table.Table(Thread), table.Table(Run), table.Table(Message)


@pytest.fixture
def thread(user: Any) -> Thread:
    background = {"kind": "color", "value": "navy"}
    return Thread.objects.create(owner=user, title="Täglich ✓", background=background)


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("ada", password="a long enough password")


def fields(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def find(thread: Thread) -> list[tuple[Any, ...]]:
    sql = table.statement(
        "SELECT {thread}, {run}, run.id IS NULL FROM chat_thread AS thread"
        " LEFT JOIN chat_run AS run ON run.thread_id = thread.id WHERE thread.id = %s",
        thread=THREADS,
        run=RUNS,
    )
    return table.read(sql, [thread.id], THREADS, RUNS)


def test_a_row_is_read_as_django_reads_it_and_what_is_not_there_is_none(thread: Thread) -> None:
    ((found, run, alone),) = find(thread)
    assert fields(found) == fields(Thread.objects.get(id=thread.id))
    assert found == thread
    assert not found._state.adding
    assert run is None
    assert alone is True


def test_rows_are_written_together_as_django_writes_them(thread: Thread) -> None:
    run = Run(thread=thread, attempts=[{"attempt": 1, "worker": "a'b\\%s"}], usage=None, queued_seq=7)
    prompt = Message(thread=thread, role=Message.Role.USER, text="100 % 'said' \\ ✓\n", run=run)
    run.prompt = prompt
    thread.head, thread.background = prompt, None
    with transaction.atomic():
        table.write(table.Insert(prompt), table.Insert(run), table.Update(thread, ("head", "background")))
    assert fields(Message.objects.get(id=prompt.id)) == fields(prompt)
    assert fields(Run.objects.get(id=run.id)) == fields(run)
    assert fields(Thread.objects.get(id=thread.id)) == fields(thread)
    ((_, found, _),) = find(thread)
    assert fields(found) == fields(run)
    run.ended_at = datetime.now(UTC)
    run.status = Run.Status.FAILED
    run.current_step = "not saved"
    table.write(table.Update(run, ("ended_at", "status")))
    assert fields(Run.objects.get(id=run.id)) == {**fields(run), "current_step": None}


def test_of_rows_that_are_written_together_none_is_kept_where_one_is_refused(thread: Thread) -> None:
    twice = [
        table.Insert(HonouredCommand(thread=thread, command_id="1", digest=digest, answer={}))
        for digest in ("a", "b")
    ]
    message = Message(thread=thread, role=Message.Role.USER, text="hello")
    with pytest.raises(IntegrityError), transaction.atomic():
        table.write(table.Insert(message), *twice)
    assert not Message.objects.exists()
    assert not HonouredCommand.objects.exists()


@pytest.mark.parametrize("model", [Thread, Run, Message, ToolCall, Image, HonouredCommand, Token])
def test_the_first_column_of_every_table_is_its_primary_key(model: type[models.Model]) -> None:
    """By it `load` knows that an outer join found nothing."""
    assert model._meta.concrete_fields[0].primary_key
