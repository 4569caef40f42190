"""What a person asks for: start a run, stop it, retry it; each honoured once."""

from __future__ import annotations

import hashlib
from typing import Any, assert_never
from uuid import UUID

from django.db import transaction
from procrastinate.contrib.django import app

from chat import commands, events, history, limits, log, table, threads
from chat.errors import Busy, Conflict, InvalidField, NotFound, NothingToStop
from chat.models import HonouredCommand, Image, Message, Run, Thread
from chat.runs import rows

HONOURED = table.Table(HonouredCommand)

_STANDING = table.statement(
    """
SELECT {known}, EXISTS (
    SELECT 1 FROM chat_run WHERE thread_id = %s AND status IN ('queued', 'running', 'interrupted')
), ({unfinished})
FROM (SELECT %s AS command_id, %s::uuid AS thread_id) AS asked
LEFT JOIN chat_honouredcommand AS known USING (thread_id, command_id)
""",
    known=HONOURED,
    unfinished=limits.UNFINISHED,
)


def honour(user: Any, thread_id: UUID, command: commands.Durable) -> dict[str, Any]:
    """Carry the command out, once: the same id again gets the same answer and has no second effect.

    Gives the fields of the ack. Raises NotFound, Conflict (the id was used for something else), and what the command
    itself raises; a command that was refused has changed nothing and may be sent again.
    """
    with transaction.atomic():
        thread = threads.lock(user, thread_id)
        digest = hashlib.sha256(command.model_dump_json().encode()).hexdigest()
        args = [thread.id, thread.owner_id, command.id, thread.id]
        ((known, busy, unfinished),) = table.read(_STANDING, args, HONOURED)
        if known is not None:
            if known.digest != digest:
                raise Conflict("This id was used for another command.")
            answer: dict[str, Any] = known.answer
            return answer
        honoured = HonouredCommand(thread=thread, command_id=command.id, digest=digest)
        match command:
            case commands.SendMessage():
                _start(thread, command, busy, unfinished, honoured)
            case commands.Stop():
                honoured.answer = _stop(thread, command.run_id)
                table.write(table.Insert(honoured))
            case commands.Retry():
                honoured.answer = _retry(thread, command.run_id, unfinished)
                table.write(table.Insert(honoured))
            case _:
                assert_never(command)
        done: dict[str, Any] = honoured.answer
        return done


def _start(
    thread: Thread,
    command: commands.SendMessage,
    busy: bool,
    unfinished_of_owner: int,
    honoured: HonouredCommand,
) -> None:
    """A user message and a run that answers it, after those that are unfinished; `busy` says whether there are any.

    The command is written down as honoured with them, in one statement.
    """
    if not command.text.strip() and not command.attachments:
        raise InvalidField("A message needs a text or a picture.", field="text")
    attachments = _attachments(thread, command.attachments)
    parent_id = _parent(thread, command.parent_id)
    unfinished = rows.unfinished_of(thread) if busy else []
    if unfinished and command.when_busy == "reject":
        raise Busy("A run is unfinished.", run_id=str(unfinished[0].id))
    if unfinished and command.when_busy == "stop":
        for run in unfinished:
            _stop_run(thread, run)
        unfinished_of_owner -= len(unfinished)
        unfinished = []
        if command.parent_id is None:
            parent_id = thread.head_id
    limits.run(unfinished_of_owner)
    if unfinished:
        limits.queue(thread.id, command.text, *(image.prompt for image in attachments))
    run = Run(thread=thread, queued_seq=thread.last_seq)
    prompt = Message(thread=thread, role=Message.Role.USER, text=command.text, run=run)
    run.prompt = prompt
    if unfinished:
        prompt.status = Message.Status.QUEUED
        # Its place comes with its turn: below the parent that was named, else below whatever is the last message then.
        prompt.parent_id = parent_id if command.parent_id is not None else None
    else:
        rows.place(thread, prompt, parent_id)
        rows.defer(run)
    honoured.answer = {"message_id": str(prompt.id), "run_id": str(run.id)}
    table.write(
        table.Insert(prompt),
        table.Insert(run),
        table.Insert(honoured),
        threads.touched(thread, "head", "active_run"),
    )
    if attachments:
        prompt.attachments.set(attachments)
    created = history.as_written(prompt, history.Inside(attachments=attachments))
    happened: list[events.Event] = [events.MessageCreated(message=created)]
    if not unfinished:
        happened += rows.branched(thread, prompt)
    happened.append(events.RunQueued(run=run.as_object()))
    log.record(thread.id, happened, run_id=run.id)


def _attachments(thread: Thread, ids: list[UUID]) -> list[Image]:
    if not ids:
        return []
    found = list(Image.objects.filter(owner_id=thread.owner_id, id__in=ids))
    if len(found) != len(set(ids)):
        raise NotFound("There is no such picture.")
    return found


def _parent(thread: Thread, parent_id: UUID | None) -> UUID | None:
    if parent_id is None:
        return thread.head_id
    placed = Message.objects.filter(thread=thread, id=parent_id).exclude(status=Message.Status.QUEUED)
    if not placed.exists():
        raise NotFound("There is no such message.")
    return parent_id


def _stop(thread: Thread, run_id: UUID | None) -> dict[str, Any]:
    """Stop the run, or every unfinished one. It takes effect here, whatever its worker does or whether it lives."""
    unfinished = rows.unfinished_of(thread)
    if run_id is not None:
        if not Run.objects.filter(thread=thread, id=run_id).exists():
            raise NotFound("There is no such run.")
        unfinished = [run for run in unfinished if run.id == run_id]
    if not unfinished:
        raise NothingToStop("No run is unfinished.")
    for run in unfinished:
        _stop_run(thread, run)
    rows.defer_next(thread)
    threads.touch(thread, "active_run", "head")
    return {"run_ids": [str(run.id) for run in unfinished]}


def _stop_run(thread: Thread, run: Run) -> None:
    if run.answer is not None:
        text, reasoning = history.partial_text(run.answer)
        rows.end(thread, run, Run.Status.STOPPED, rows.Ending(text=text, reasoning=reasoning))
    else:
        prompt = run.prompt
        happened: list[events.Event] = []
        if prompt.status == Message.Status.QUEUED:
            prompt.status = Message.Status.STOPPED
            happened = rows.place_queued(thread, prompt)
        table.write(rows.closed(run, Run.Status.STOPPED))
        log.record(thread.id, [*happened, events.RunStopped(run=run.as_object())], run_id=run.id)
    if run.job_id is not None:
        # Only to save the work: what the worker still writes is refused already.
        app.job_manager.cancel_job_by_id(run.job_id, abort=True)


def _retry(thread: Thread, run_id: UUID, unfinished_of_owner: int) -> dict[str, Any]:
    """A failed run goes on from its last checkpoint, while its answer is the last message."""
    run = Run.objects.filter(thread=thread, id=run_id).first()
    if run is None:
        raise NotFound("There is no such run.")
    if run.status != Run.Status.FAILED:
        raise Conflict("Only a failed run can be retried.", status=run.status)
    if run.answer_id != thread.head_id or rows.unfinished_of(thread):
        raise Conflict("The thread has gone on since; send the message again instead.")
    limits.run(unfinished_of_owner)
    run.status = Run.Status.QUEUED
    run.error = None
    run.ended_at = None
    rows.defer(run)
    run.save()
    answer = rows.answer_of(run)
    answer.status = Message.Status.STREAMING
    answer.save(update_fields=["status"])
    restarted = events.MessageRestarted(
        message_id=str(answer.id), attempt=run.attempt + 1, text=answer.text, reasoning=answer.reasoning
    )
    log.record(thread.id, [events.RunQueued(run=run.as_object()), restarted], run_id=run.id)
    threads.touch(thread)
    return {"run_id": str(run.id)}
