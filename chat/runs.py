"""Runs: start, stop, retry; claim one for a worker, note what it does, finish it.

Each function is one transaction that changes rows and records the events of that change together. All of them begin
with the lock of the thread's row, so that within a thread they happen one after the other, in whichever process.
What happens between claim and finish is execution.py's.

One run of a thread is at work at a time. Only the first unfinished run of a thread has a job; the one that ends
before it gives it one, in the transaction that ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from langchain_core.messages import HumanMessage
from procrastinate.contrib.django import app

from chat import commands, events, history, log, objects, threads
from chat.agent import resume
from chat.errors import Busy, Conflict, InvalidField, NotFound, NothingToStop, RunLost
from chat.log import Fence
from chat.models import Event, HonouredCommand, Image, Message, Run, Thread, ToolCall

EXECUTE = "chat.execute"
TITLE = "chat.title"


def honour(user: Any, thread_id: UUID, command: commands.Durable) -> dict[str, Any]:
    """Carry the command out, once: the same id again gets the same answer and has no second effect.

    Gives the fields of the ack. Raises NotFound, Conflict (the id was used for something else), and what the command
    itself raises; a command that was refused has changed nothing and may be sent again.
    """
    with transaction.atomic():
        thread = threads.lock(user, thread_id)
        digest = hashlib.sha256(command.model_dump_json().encode()).hexdigest()
        known = HonouredCommand.objects.filter(thread=thread, command_id=command.id).first()
        if known is not None:
            if known.digest != digest:
                raise Conflict("This id was used for another command.")
            answer: dict[str, Any] = known.answer
            return answer
        match command:
            case commands.SendMessage():
                answer = _start(thread, command)
            case commands.Stop():
                answer = _stop(thread, command.run_id)
            case commands.Retry():
                answer = _retry(thread, command.run_id)
            case _:
                assert_never(command)
        HonouredCommand.objects.create(thread=thread, command_id=command.id, digest=digest, answer=answer)
        return answer


def _start(thread: Thread, command: commands.SendMessage) -> dict[str, Any]:
    """A user message and a run that answers it, after those that are unfinished."""
    if not command.text.strip() and not command.attachments:
        raise InvalidField("A message needs a text or a picture.", field="text")
    attachments = _attachments(thread, command.attachments)
    parent = _parent(thread, command.parent_id)
    unfinished = _unfinished(thread)
    if unfinished and command.when_busy == "reject":
        raise Busy("A run is unfinished.", run_id=str(unfinished[0].id))
    if unfinished and command.when_busy == "stop":
        for run in unfinished:
            _stop_run(thread, run)
        unfinished = []
        if command.parent_id is None:
            parent = thread.head
    prompt = Message(thread=thread, role=Message.Role.USER, text=command.text)
    run = Run(thread=thread, prompt=prompt, queued_seq=thread.last_seq)
    happened: list[events.Event] = []
    if unfinished:
        prompt.status = Message.Status.QUEUED
        prompt.parent = parent
        prompt.save()
    else:
        _place(thread, prompt, parent)
    run.save()
    Message.objects.filter(id=prompt.id).update(run=run)
    prompt.attachments.set(attachments)
    happened.append(events.MessageCreated(message=history.as_object(prompt)))
    if (
        not unfinished
        and command.parent_id is not None
        and parent is not None
        and _has_other_child(parent, prompt)
    ):
        shown = history.path_from(thread, prompt)
        happened.append(events.BranchSelected(head_id=str(prompt.id), messages=shown))
    happened.append(events.RunQueued(run=run.as_object()))
    if not unfinished:
        _defer(run)
    log.record(thread.id, happened, run_id=run.id)
    threads.touch(thread)
    return {"message_id": str(prompt.id), "run_id": str(run.id)}


def _attachments(thread: Thread, ids: list[UUID]) -> list[Image]:
    found = list(Image.objects.filter(owner_id=thread.owner_id, id__in=ids))
    if len(found) != len(set(ids)):
        raise NotFound("There is no such picture.")
    return found


def _parent(thread: Thread, parent_id: UUID | None) -> Message | None:
    if parent_id is None:
        return thread.head
    parent: Message | None = (
        Message.objects.filter(thread=thread, id=parent_id).exclude(status=Message.Status.QUEUED).first()
    )
    if parent is None:
        raise NotFound("There is no such message.")
    return parent


def _unfinished(thread: Thread) -> list[Run]:
    return list(
        Run.objects.filter(thread=thread, status__in=Run.UNFINISHED)
        .select_related("prompt", "answer")
        .order_by("queued_seq")
    )


def _has_other_child(parent: Message, child: Message) -> bool:
    return (
        Message.objects.filter(parent=parent)
        .exclude(id=child.id)
        .exclude(status=Message.Status.QUEUED)
        .exists()
    )


def _place(thread: Thread, message: Message, parent: Message | None) -> None:
    """Hang the message below its parent as the newest of its siblings, and end the shown path in it."""
    placed = Message.objects.filter(thread=thread, parent=parent).exclude(status=Message.Status.QUEUED)
    message.sibling_index = placed.exclude(id=message.id).count()
    message.parent = parent
    message.save()
    thread.head = message
    thread.save(update_fields=["head"])


def _defer(run: Run) -> None:
    run.job_id = app.configure_task(EXECUTE).defer(run_id=str(run.id))
    run.save(update_fields=["job_id"])


def _stop(thread: Thread, run_id: UUID | None) -> dict[str, Any]:
    """Stop the run, or every unfinished one. It takes effect here, whatever its worker does or whether it lives."""
    unfinished = _unfinished(thread)
    if run_id is not None:
        if not Run.objects.filter(thread=thread, id=run_id).exists():
            raise NotFound("There is no such run.")
        unfinished = [run for run in unfinished if run.id == run_id]
    if not unfinished:
        raise NothingToStop("No run is unfinished.")
    for run in unfinished:
        _stop_run(thread, run)
    _defer_next(thread)
    threads.touch(thread)
    return {"run_ids": [str(run.id) for run in unfinished]}


def _stop_run(thread: Thread, run: Run) -> None:
    if run.status in Run.ACTIVE and run.answer is not None:
        text, reasoning = history.partial_text(run.answer)
        _end(thread, run, Run.Status.STOPPED, Ending(text=text, reasoning=reasoning))
    else:
        prompt = run.prompt
        happened: list[events.Event] = []
        if prompt.status == Message.Status.QUEUED:
            prompt.status = Message.Status.STOPPED
            _place(thread, prompt, thread.head)
            happened.append(events.MessageCompleted(message=history.as_object(prompt)))
        _close(run, Run.Status.STOPPED)
        log.record(thread.id, [*happened, events.RunStopped(run=run.as_object())], run_id=run.id)
    if run.job_id is not None:
        # Only to save the work: what the worker still writes is refused already.
        app.job_manager.cancel_job_by_id(run.job_id, abort=True)


def _retry(thread: Thread, run_id: UUID) -> dict[str, Any]:
    """A failed run goes on from its last checkpoint, while its answer is the last message."""
    run = Run.objects.filter(thread=thread, id=run_id).first()
    if run is None:
        raise NotFound("There is no such run.")
    if run.status != Run.Status.FAILED:
        raise Conflict("Only a failed run can be retried.", status=run.status)
    if run.answer_id != thread.head_id or _unfinished(thread):
        raise Conflict("The thread has gone on since; send the message again instead.")
    run.status = Run.Status.QUEUED
    run.error = None
    run.ended_at = None
    run.save()
    _defer(run)
    log.record(thread.id, [events.RunQueued(run=run.as_object())], run_id=run.id)
    threads.touch(thread)
    return {"run_id": str(run.id)}


@dataclass(frozen=True)
class Claim:
    """A run that a worker owns until it ends, or until somebody else's claim or a stop takes it away."""

    run_id: UUID
    thread_id: UUID
    owner_id: int
    answer_id: UUID
    prompt: resume.Turn
    earlier: list[resume.Turn]
    """The turns that the agent's memory may lack, oldest first, behind the last one that it has whole."""
    fence: Fence
    started_at: datetime
    again: bool
    """Whether an attempt was made before: what it wrote is certain only as far as its checkpoints go."""


def claim(run_id: UUID, worker: str) -> Claim | None:
    """Make the run this worker's own, and tell the tabs; from here on nobody else may write on its behalf.

    None where there is nothing to do: the run has ended, or another of its thread is at work, whose end will give
    this one a job.
    """
    with transaction.atomic():
        thread = Thread.objects.select_for_update().filter(runs=run_id).first()
        if thread is None:
            return None
        run = Run.objects.select_related("prompt", "answer").get(id=run_id)
        if run.status not in (Run.Status.QUEUED, Run.Status.RUNNING):
            return None
        first = Run.objects.filter(thread=thread, status__in=Run.UNFINISHED).order_by("queued_seq").first()
        if first is None or first.id != run.id:
            return None
        again = run.answer is not None
        recovered = run.status == Run.Status.RUNNING
        happened = _take(thread, run, worker)
        kind = events.RunRecovered if recovered else events.RunStarted
        answer = _answer_of(run)
        told: list[events.Event] = [*happened, kind(run=run.as_object())]
        if not again:
            told.append(events.MessageCreated(message=history.as_object(answer)))
        fence = Fence(run.id, run.attempt)
        log.record(thread.id, told, run_id=run.id, fence=fence)
        log.list_changed(thread.owner_id, thread.id)
        return Claim(
            run_id=run.id,
            thread_id=thread.id,
            owner_id=thread.owner_id,
            answer_id=answer.id,
            prompt=_turn(run, run.prompt, answer),
            earlier=_earlier(run.prompt),
            fence=fence,
            started_at=run.started_at or timezone.now(),
            again=again,
        )


def _take(thread: Thread, run: Run, worker: str) -> list[events.Event]:
    happened: list[events.Event] = []
    if run.answer is None:
        if run.prompt.status == Message.Status.QUEUED:
            run.prompt.status = Message.Status.COMPLETE
            _place(thread, run.prompt, thread.head)
            happened.append(events.MessageCompleted(message=history.as_object(run.prompt)))
        run.answer = Message(
            thread=thread, role=Message.Role.ASSISTANT, status=Message.Status.STREAMING, run=run
        )
        _place(thread, run.answer, run.prompt)
        run.first_seq = thread.last_seq
    else:
        run.answer.status = Message.Status.STREAMING
        run.answer.save(update_fields=["status"])
    now = timezone.now()
    if run.attempts and "outcome" not in run.attempts[-1]:
        run.attempts[-1] |= {"outcome": "lost", "ended_at": now.isoformat()}
    run.attempt += 1
    run.attempts.append({"attempt": run.attempt, "worker": worker, "started_at": now.isoformat()})
    run.status = Run.Status.RUNNING
    run.started_at = run.started_at or now
    run.save()
    thread.active_run = run
    thread.active_attempt = run.attempt
    thread.save(update_fields=["active_run", "active_attempt"])
    return happened


def _earlier(prompt: Message) -> list[resume.Turn]:
    """The turns before this one, back to the last whole one."""
    turns: list[resume.Turn] = []
    message = prompt.parent
    answer: Message | None = None
    while message is not None:
        if message.role == Message.Role.ASSISTANT:
            answer = message
        else:
            run = answer.run if answer is not None else message.run
            turns.append(_turn(run, message, answer))
            if turns[-1].complete:
                break
            answer = None
        message = message.parent
    return turns[::-1]


def _turn(run: Run | None, prompt: Message, answer: Message | None) -> resume.Turn:
    return resume.Turn(
        run_id=str(run.id) if run is not None else "",
        human=HumanMessage(_said(prompt), id=str(prompt.id)),
        complete=answer is not None and answer.status == Message.Status.COMPLETE,
        text=answer.text if answer is not None else "",
        tool_calls={call.tool_call_id: call.as_object() for call in answer.tool_calls.all()}
        if answer
        else {},
        checkpoint_id=(answer.checkpoint_id or None) if answer is not None else None,
    )


def _said(prompt: Message) -> str:
    """What the model reads of a user message: its text, and which pictures came with it."""
    attached = [str(id_) for id_ in prompt.attachments.values_list("id", flat=True)]
    if not attached:
        return prompt.text
    return f"{prompt.text}\n\n(Pictures attached by the person: {', '.join(attached)})".strip()


def restart(claim: Claim, text: str, reasoning: str) -> None:
    """Say what of the answer is certain; the rest is being written again. What was sent of it before is let go.

    Raises RunLost.
    """
    with transaction.atomic():
        run = owned(claim)
        restarted = events.MessageRestarted(
            message_id=str(claim.answer_id), attempt=claim.fence.attempt, text=text, reasoning=reasoning
        )
        last = log.record(claim.thread_id, [restarted], run_id=run.id, fence=claim.fence)
        _prune(run, last - 1)


def note_tool_call(claim: Claim, call: objects.ToolCall, happened: events.Event) -> None:
    """Keep a tool call as it now stands, with its event. Raises RunLost."""
    with transaction.atomic():
        run = owned(claim)
        ToolCall.objects.update_or_create(
            run=run,
            tool_call_id=call.id,
            defaults={
                "message_id": claim.answer_id,
                "name": call.name,
                "args": call.args,
                "status": call.status,
                "result": call.result,
                "error": call.error,
                "text_offset": call.text_offset,
                "started_at": call.started_at,
                "duration_ms": call.duration_ms,
            },
        )
        log.record(claim.thread_id, [happened], run_id=run.id, fence=claim.fence)


def announce_image(claim: Claim, event: events.ImageReady) -> None:
    """Tell of a picture, once, however often its tool runs. Raises RunLost."""
    with transaction.atomic():
        run = owned(claim)
        if Image.objects.filter(id=event.image.id, announced=False).update(announced=True):
            log.record(claim.thread_id, [event], run_id=run.id, fence=claim.fence)


@dataclass(frozen=True)
class Ending:
    """What a run has come to."""

    text: str
    reasoning: str
    checkpoint_id: str = ""
    usage: dict[str, int] | None = None
    error: objects.RunError | None = None


def complete(claim: Claim, ending: Ending) -> None:
    """The answer is whole. Raises RunLost."""
    _finish(claim, Run.Status.COMPLETED, ending)


def fail(claim: Claim, ending: Ending) -> None:
    """The run ends here, for the reason given. Raises RunLost."""
    _finish(claim, Run.Status.FAILED, ending)


def _finish(claim: Claim, status: Run.Status, ending: Ending) -> None:
    with transaction.atomic():
        run = owned(claim)
        thread = run.thread
        _end(thread, run, status, ending)
        if status == Run.Status.COMPLETED and not thread.title:
            app.configure_task(TITLE).defer(thread_id=str(thread.id))
        _defer_next(thread)
        threads.touch(thread)


def owned(claim: Claim) -> Run:
    """The claimed run with its thread's lock held. Raises RunLost where it is no longer this claim's."""
    thread = Thread.objects.select_for_update().filter(id=claim.thread_id).first()
    if thread is None or (thread.active_run_id, thread.active_attempt) != claim.fence:
        raise RunLost("The run went on elsewhere.")
    run: Run = Run.objects.select_related("prompt", "answer").get(id=claim.run_id)
    run.thread = thread
    return run


def _end(thread: Thread, run: Run, status: Run.Status, ending: Ending) -> None:
    """Close a run that was at work: its tool calls, its answer, itself; and lift the fence."""
    answer = _answer_of(run)
    happened: list[events.Event] = [
        events.ToolCallCompleted(tool_call=call.as_object()) for call in _end_tool_calls(run, status)
    ]
    answer.text = ending.text
    answer.reasoning = ending.reasoning
    answer.checkpoint_id = ending.checkpoint_id
    answer.status = {
        Run.Status.COMPLETED: Message.Status.COMPLETE,
        Run.Status.FAILED: Message.Status.FAILED,
        Run.Status.STOPPED: Message.Status.STOPPED,
    }[status]
    answer.save()
    _close(run, status, ending)
    thread.active_run = None
    thread.save(update_fields=["active_run"])
    happened.append(events.MessageCompleted(message=history.as_object(answer)))
    match status:
        case Run.Status.COMPLETED:
            happened.append(events.RunCompleted(run=run.as_object()))
        case Run.Status.FAILED:
            error = ending.error or objects.RunError(code="failed", message="The run failed.", retryable=True)
            happened.append(events.RunFailed(run=run.as_object(), error=error))
        case _:
            happened.append(events.RunStopped(run=run.as_object()))
    last = log.record(thread.id, happened, run_id=run.id)
    _prune(run, last)


def _answer_of(run: Run) -> Message:
    """The answer of a run that was claimed, which always has one."""
    if run.answer is None:
        raise LookupError(f"run {run.id} was never claimed")
    return run.answer


def _end_tool_calls(run: Run, status: Run.Status) -> Iterable[ToolCall]:
    now = timezone.now()
    for call in ToolCall.objects.filter(
        run=run, status__in=[ToolCall.Status.RUNNING, ToolCall.Status.WAITING]
    ):
        stopped = status == Run.Status.STOPPED
        call.status = ToolCall.Status.CANCELLED if stopped else ToolCall.Status.FAILED
        call.error = "Stopped." if stopped else "The run ended before this was done."
        call.duration_ms = int((now - call.started_at).total_seconds() * 1000)
        call.save()
        yield call


def _close(run: Run, status: Run.Status, ending: Ending | None = None) -> None:
    now = timezone.now()
    run.status = status
    run.current_step = None
    run.ended_at = now
    if ending is not None:
        run.usage = ending.usage
        run.error = ending.error.model_dump() if ending.error else None
    if run.attempts:
        run.attempts[-1] |= {"outcome": str(status), "ended_at": now.isoformat()}
    run.save()


def _prune(run: Run, until: int) -> None:
    """Let go of what says nothing more: the deltas of an answer that the log now has whole."""
    spent = Event.objects.filter(
        thread_id=run.thread_id,
        seq__gt=run.first_seq,
        seq__lte=until,
        run_id=run.id,
        type__in=events.DISPOSABLE,
    )
    spent._raw_delete(spent.db)


def _defer_next(thread: Thread) -> None:
    unfinished = _unfinished(thread)
    if unfinished and unfinished[0].status == Run.Status.QUEUED and unfinished[0].job_id is None:
        _defer(unfinished[0])


_JOBLESS = """
SELECT run.id, run.thread_id FROM chat_run AS run
LEFT JOIN procrastinate_jobs AS job ON job.id = run.job_id AND job.status IN ('todo', 'doing')
WHERE run.status IN ('queued', 'running') AND job.id IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM chat_run AS earlier
      WHERE earlier.thread_id = run.thread_id AND earlier.status IN ('queued', 'running', 'interrupted')
        AND earlier.queued_seq < run.queued_seq
  )
"""


def revive() -> list[UUID]:
    """Give a job to every first unfinished run of a thread that has none, however it came to that: none is stuck."""
    with connection.cursor() as cursor:
        cursor.execute(_JOBLESS)
        jobless = cursor.fetchall()
    revived = []
    for run_id, thread_id in jobless:
        with transaction.atomic():
            Thread.objects.select_for_update().filter(id=thread_id).first()
            with connection.cursor() as cursor:
                cursor.execute(f"{_JOBLESS} AND run.id = %s", [run_id])  # what was read may have changed
                if cursor.fetchone() is None:
                    continue
            _defer(Run.objects.get(id=run_id))
            revived.append(run_id)
    return revived
