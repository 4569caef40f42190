"""The rows of a run, as both sides change them: placed in the tree, queued, ended. Callers hold the thread's lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from chat import events, history, log, objects, table
from chat.agent import checkpoints
from chat.models import Image, Message, Run, Thread, ToolCall
from chat.runs import attempts

EXECUTE = "chat.execute"

RUNS, MESSAGES, TOOL_CALLS = table.Table(Run), table.Table(Message), table.Table(ToolCall)


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


_WITH_MESSAGES: dict[str, table.Table[Any]] = {
    "run": RUNS,
    "prompt": MESSAGES,
    "answer": MESSAGES,
    "parent": MESSAGES,
}
_OF_UNFINISHED = """
FROM chat_run AS run
JOIN chat_message AS prompt ON prompt.id = run.prompt_id
LEFT JOIN chat_message AS answer ON answer.id = run.answer_id
LEFT JOIN chat_message AS parent ON parent.id = prompt.parent_id
WHERE run.thread_id = %s AND run.status IN ('queued', 'running', 'interrupted')
ORDER BY run.queued_seq
"""
_UNFINISHED = table.statement(
    "SELECT {run}, {prompt}, {answer}, {parent} {of_unfinished}",
    of_unfinished=_OF_UNFINISHED,
    **_WITH_MESSAGES,
)


def unfinished_of(thread: Thread) -> list[Run]:
    """The thread's unfinished runs, the first to come first, with their messages and what those answer."""
    found = table.read(_UNFINISHED, [thread.id], *_WITH_MESSAGES.values())
    return [_with_messages(*row) for row in found]


class First(NamedTuple):
    """A thread's first unfinished run, with what its agent begins with."""

    run: Run
    attached: list[UUID]
    """The pictures of its prompt, in their order."""
    newest_checkpoint_id: str | None
    """The thread's newest checkpoint."""


_FIRST = table.statement(
    """
SELECT {run}, {prompt}, {answer}, {parent}, ARRAY(
    SELECT image.id FROM chat_message_attachments AS attached JOIN chat_image AS image ON image.id = attached.image_id
    WHERE attached.message_id = prompt.id ORDER BY image.created_at, image.id
), ({newest})
{of_unfinished}
LIMIT 1
""",
    newest=checkpoints.NEWEST,
    of_unfinished=_OF_UNFINISHED,
    **_WITH_MESSAGES,
)


def first_of(thread: Thread) -> First | None:
    """The run of the thread that is to be done now. Behind the lock nothing of this changes but by who holds it."""
    for row in table.read(_FIRST, [str(thread.id), thread.id], *_WITH_MESSAGES.values()):
        return First(_with_messages(*row[:4]), *row[4:])
    return None


def _with_messages(run: Run, prompt: Message, answer: Message | None, parent: Message | None) -> Run:
    run.prompt, run.answer = prompt, answer
    prompt.parent = parent
    return run


def place(thread: Thread, message: Message, parent_id: UUID | None) -> None:
    """Hang the message below its parent as the newest of its siblings, and end the shown path in it.

    Neither is saved here. Below the end of the shown path nothing hangs yet.
    """
    if parent_id == thread.head_id:
        message.sibling_index = 0
    else:
        placed = Message.objects.filter(thread=thread, parent=parent_id).exclude(status=Message.Status.QUEUED)
        message.sibling_index = placed.exclude(id=message.id).count()
    message.parent_id = parent_id
    thread.head = message


def place_queued(thread: Thread, prompt: Message) -> list[events.Event]:
    """Give a queued user message its place."""
    place(thread, prompt, prompt.parent_id or thread.head_id)
    prompt.save()
    inside = history.Inside(attachments=list(prompt.attachments.all()))
    completed = events.MessageCompleted(message=history.as_written(prompt, inside))
    return [completed, *branched(thread, prompt)]


def branched(thread: Thread, prompt: Message) -> list[events.Event]:
    """Where a placed message is not the only one below its parent: the path that the thread shows from now on."""
    if prompt.sibling_index == 0:
        return []
    return [events.BranchSelected(head_id=str(thread.head_id), messages=history.path_from(thread, prompt))]


# What procrastinate's own `defer` calls in the end. A task that is known by its name alone costs it a third of what the
# whole of a message's transaction does.
_QUEUE = """
SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
    ROW('default', %s, 0, NULL, NULL, %s::jsonb, NULL)::procrastinate_job_to_defer_v1
]))
"""


def queue(task: str, **args: str) -> int:
    """Put a job into the queue, in the caller's transaction. Gives its number."""
    ((job_id,),) = table.read(_QUEUE, [task, json.dumps(args)])
    number: int = job_id
    return number


def defer(run: Run) -> None:
    """Give the run its job, whose number is not saved here."""
    run.job_id = queue(EXECUTE, run_id=str(run.id))


_NEXT = table.statement(
    """
SELECT {run} FROM chat_run AS run
WHERE run.thread_id = %s AND run.status IN ('queued', 'running', 'interrupted')
ORDER BY run.queued_seq LIMIT 1
""",
    run=RUNS,
)


def defer_next(thread: Thread) -> None:
    """Give the run that is first now its job, if it waits for one."""
    for (run,) in table.read(_NEXT, [thread.id], RUNS):
        if run.status == Run.Status.QUEUED and run.job_id is None:
            defer(run)
            table.write(table.Update(run, ("job_id",)))


def answer_of(run: Run) -> Message:
    """The answer of a run that was claimed, which always has one."""
    if run.answer is None:
        raise LookupError(f"run {run.id} was never claimed")
    return run.answer


_CALLS = table.statement("SELECT {call} FROM chat_toolcall AS call WHERE call.run_id = %s", call=TOOL_CALLS)


def end(
    thread: Thread,
    run: Run,
    status: Run.Status,
    ending: Ending,
    *also: table.Update,
    has_called: bool = True,
) -> bool:
    """Close a run that was at work: its tool calls, its answer, itself; and lift the fence, which is not saved here
    but by what is `also` to be written. Says whether another run of the thread is unfinished.

    `has_called` is False where it is known that the run has no tool calls.
    """
    answer = answer_of(run)
    calls: list[ToolCall] = []
    if has_called:
        calls = [call for (call,) in table.read(_CALLS, [run.id], TOOL_CALLS)]
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
    thread.active_run = None
    saved = table.Update(answer, ("text", "reasoning", "checkpoint_id", "status"))
    table.write(saved, closed(run, status, ending), *also)
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
    return prune(run, last)


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


def closed(run: Run, status: Run.Status, ending: Ending | None = None) -> table.Update:
    """The run at its end; saved by who writes this."""
    now = timezone.now()
    run.status = status
    run.current_step = None
    run.ended_at = now
    if ending is not None:
        run.usage = ending.usage
        run.error = ending.error.model_dump() if ending.error else None
    attempts.end(run, status, now)
    return table.Update(run, ("status", "current_step", "ended_at", "usage", "error", "attempts"))


_PRUNE = """
WITH pruned AS (
    DELETE FROM chat_event WHERE thread_id = %s AND seq > %s AND seq <= %s AND run_id = %s AND type = ANY(%s)
)
SELECT EXISTS (
    SELECT 1 FROM chat_run
    WHERE thread_id = %s AND id <> %s AND status IN ('queued', 'running', 'interrupted')
)
"""


def prune(run: Run, until: int) -> bool:
    """Let go of what says nothing more: the deltas of an answer that the log now has whole. Says whether another run of
    the thread is unfinished."""
    of_run = [run.thread_id, run.first_seq, until, run.id, list(events.DISPOSABLE)]
    ((others,),) = table.read(_PRUNE, [*of_run, run.thread_id, run.id])
    return bool(others)
