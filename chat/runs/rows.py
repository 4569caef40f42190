"""The rows of a run, as both sides change them: placed in the tree, queued, ended. Callers hold the thread's lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone
from procrastinate.contrib.django import app

from chat import events, history, log, objects
from chat.models import Event, Image, Message, Run, Thread, ToolCall

EXECUTE = "chat.execute"


@dataclass(frozen=True)
class Ending:
    """What a run has come to."""

    text: str
    reasoning: str
    checkpoint_id: str = ""
    usage: dict[str, int] | None = None
    error: objects.RunError | None = None
    told: Sequence[events.Event] = ()
    """What is still to be told of it before its end."""


def unfinished_of(thread: Thread) -> list[Run]:
    """The thread's unfinished runs, the first to come first."""
    return list(
        Run.objects.filter(thread=thread, status__in=Run.UNFINISHED)
        .select_related("prompt", "answer")
        .order_by("queued_seq")
    )


def place(thread: Thread, message: Message, parent: Message | None) -> None:
    """Hang the message below its parent as the newest of its siblings, and end the shown path in it.

    Neither is saved here. Below the end of the shown path nothing hangs yet.
    """
    if (parent.id if parent else None) == thread.head_id:
        message.sibling_index = 0
    else:
        placed = Message.objects.filter(thread=thread, parent=parent).exclude(status=Message.Status.QUEUED)
        message.sibling_index = placed.exclude(id=message.id).count()
    message.parent = parent
    thread.head = message


def place_queued(thread: Thread, prompt: Message) -> list[events.Event]:
    """Give a queued user message its place."""
    place(thread, prompt, prompt.parent or thread.head)
    prompt.save()
    inside = history.Inside(attachments=list(prompt.attachments.all()))
    completed = events.MessageCompleted(message=history.as_written(prompt, inside))
    return [completed, *branched(thread, prompt)]


def branched(thread: Thread, prompt: Message) -> list[events.Event]:
    """Where a placed message is not the only one below its parent: the path that the thread shows from now on."""
    if prompt.sibling_index == 0:
        return []
    return [events.BranchSelected(head_id=str(thread.head_id), messages=history.path_from(thread, prompt))]


def defer(run: Run) -> None:
    """Give the run its job, whose number is not saved here."""
    run.job_id = app.configure_task(EXECUTE).defer(run_id=str(run.id))


def defer_next(thread: Thread) -> None:
    unfinished = unfinished_of(thread)
    if unfinished and unfinished[0].status == Run.Status.QUEUED and unfinished[0].job_id is None:
        defer(unfinished[0])
        unfinished[0].save(update_fields=["job_id"])


def answer_of(run: Run) -> Message:
    """The answer of a run that was claimed, which always has one."""
    if run.answer is None:
        raise LookupError(f"run {run.id} was never claimed")
    return run.answer


def end(thread: Thread, run: Run, status: Run.Status, ending: Ending) -> None:
    """Close a run that was at work: its tool calls, its answer, itself; and lift the fence, which is not saved here."""
    answer = answer_of(run)
    calls = list(ToolCall.objects.filter(run=run))
    cut = _cut_short(calls, status)
    happened: list[events.Event] = [*ending.told]
    happened += [events.ToolCallCompleted(tool_call=call.as_object()) for call in cut]
    answer.text = ending.text
    answer.reasoning = ending.reasoning
    answer.checkpoint_id = ending.checkpoint_id
    answer.status = {
        Run.Status.COMPLETED: Message.Status.COMPLETE,
        Run.Status.FAILED: Message.Status.FAILED,
        Run.Status.STOPPED: Message.Status.STOPPED,
    }[status]
    answer.save()
    close(run, status, ending)
    thread.active_run = None
    inside = history.Inside(tool_calls=calls, images=list(Image.objects.filter(run=run)) if calls else ())
    happened.append(events.MessageCompleted(message=history.as_written(answer, inside, run)))
    match status:
        case Run.Status.COMPLETED:
            happened.append(events.RunCompleted(run=run.as_object()))
        case Run.Status.FAILED:
            error = ending.error or objects.RunError(
                code="run_failed", message="The run failed.", retryable=True
            )
            happened.append(events.RunFailed(run=run.as_object(), error=error))
        case _:
            happened.append(events.RunStopped(run=run.as_object()))
    last = log.record(thread.id, happened, run_id=run.id)
    prune(run, last)


def _cut_short(calls: Iterable[ToolCall], status: Run.Status) -> list[ToolCall]:
    """End the tool calls that the end of their run found unfinished."""
    now = timezone.now()
    cut = [call for call in calls if call.status in (ToolCall.Status.RUNNING, ToolCall.Status.WAITING)]
    for call in cut:
        stopped = status == Run.Status.STOPPED
        call.status = ToolCall.Status.CANCELLED if stopped else ToolCall.Status.FAILED
        call.error = "Stopped." if stopped else "The run ended before this was done."
        # A clock that was put back meanwhile must not keep the run from ending: the column takes no negative number.
        call.duration_ms = max(0, int((now - call.started_at).total_seconds() * 1000))
        call.save()
    return cut


def close(run: Run, status: Run.Status, ending: Ending | None = None) -> None:
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


def prune(run: Run, until: int) -> None:
    """Let go of what says nothing more: the deltas of an answer that the log now has whole."""
    spent = Event.objects.filter(
        thread_id=run.thread_id,
        seq__gt=run.first_seq,
        seq__lte=until,
        run_id=run.id,
        type__in=events.DISPOSABLE,
    )
    spent._raw_delete(spent.db)
