"""What a worker does with a run: claim it, note what it comes to, finish it. All but the claim check the fence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from langchain_core.messages import HumanMessage

from chat import events, history, log, objects, table, threads
from chat.agent import attachments, resume
from chat.errors import RunLost
from chat.log import Fence
from chat.models import Image, Message, Run, Thread, ToolCall
from chat.runs import attempts, rows

TITLE = "chat.title"
LOST_MAX = 10
"""After so many attempts in a row that were lost, the run is what ends its workers."""


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
    newest_checkpoint_id: str | None
    """The agent's newest checkpoint of the thread: nobody else writes one from now on."""
    again: bool
    """Whether an attempt was made before: what it wrote is certain only as far as its checkpoints go."""


_LOCK = table.statement(
    """
SELECT {thread} FROM chat_thread AS thread
WHERE thread.id = (SELECT thread_id FROM chat_run WHERE id = %s) FOR UPDATE
""",
    thread=threads.THREADS,
)


def claim(run_id: UUID, worker: str) -> Claim | None:
    """Make the run this worker's own, and tell the tabs; from here on nobody else may write on its behalf.

    None where there is nothing to do: the run has ended, or another of its thread is at work, whose end will give
    this one a job.
    """
    with transaction.atomic():
        found = table.read(_LOCK, [run_id], threads.THREADS)
        if not found:
            return None
        thread: Thread = found[0][0]
        first = rows.first_of(thread)
        if first is None or first.run.id != run_id or first.run.status == Run.Status.INTERRUPTED:
            return None
        run = first.run
        if attempts.lost_in_a_row(run) >= LOST_MAX:
            _give_up(thread, run)
            return None
        again = run.answer is not None
        recovered = run.status == Run.Status.RUNNING
        happened = _take(thread, run, worker)
        kind = events.RunRecovered if recovered else events.RunStarted
        answer = rows.answer_of(run)
        told: list[events.Event] = [*happened, kind(run=run.as_object())]
        if not again:
            told.append(events.MessageCreated(message=history.as_written(answer, history.Inside())))
        fence = Fence(run.id, run.attempt)
        log.record(thread.id, told, run_id=run.id, fence=fence)
        log.list_changed(thread.owner_id, thread.id)
        return Claim(
            run_id=run.id,
            thread_id=thread.id,
            owner_id=thread.owner_id,
            answer_id=answer.id,
            prompt=_turn(run, run.prompt, answer if again else None, first.attached),
            earlier=_earlier(run.prompt),
            fence=fence,
            started_at=run.started_at or timezone.now(),
            # Behind the lock: what the one who had the run before was writing is stored by now, or never will be.
            newest_checkpoint_id=first.newest_checkpoint_id,
            again=again,
        )


def _give_up(thread: Thread, run: Run) -> None:
    text, reasoning = history.partial_text(rows.answer_of(run))
    message = (
        f"The work on this answer broke off {LOST_MAX} times in a row. Try again, or ask for it differently."
    )
    error = objects.RunError(code="gave_up", message=message, retryable=True)
    ending = rows.Ending(text=text, reasoning=reasoning, error=error)
    rows.end(thread, run, Run.Status.FAILED, ending, threads.touched(thread, "active_run"))
    rows.defer_next(thread)


def _take(thread: Thread, run: Run, worker: str) -> list[events.Event]:
    happened: list[events.Event] = []
    answers: list[table.Insert] = []
    if run.answer is None:
        if run.prompt.status == Message.Status.QUEUED:
            run.prompt.status = Message.Status.COMPLETE
            happened = rows.place_queued(thread, run.prompt)
        run.answer = Message(
            thread=thread, role=Message.Role.ASSISTANT, status=Message.Status.STREAMING, run=run
        )
        rows.place(thread, run.answer, run.prompt.id)
        answers = [table.Insert(run.answer)]
        run.first_seq = thread.last_seq
    now = timezone.now()
    run.attempt += 1
    attempts.begin(run, worker, now)
    run.status = Run.Status.RUNNING
    run.started_at = run.started_at or now
    thread.active_run = run
    thread.active_attempt = run.attempt
    table.write(
        *answers,
        table.Update(run, ("answer", "first_seq", "attempt", "attempts", "status", "started_at")),
        table.Update(thread, ("active_run", "active_attempt", "head")),
    )
    return happened


def _earlier(prompt: Message) -> list[resume.Turn]:
    """The turns before this one, back to the last whole one."""
    turns: list[resume.Turn] = []
    message = prompt.parent
    answer: Message | None = None
    while message is not None:
        if message.role == Message.Role.ASSISTANT:
            if message.status == Message.Status.COMPLETE:
                turns.append(_whole(message))
                break
            answer = message
        else:
            run = answer.run if answer is not None else message.run
            turns.append(_turn(run, message, answer, _attached(message)))
            answer = None
        message = message.parent
    return turns[::-1]


def _whole(answer: Message) -> resume.Turn:
    """A turn that the agent's memory has: where it is there is all that is asked of it."""
    return resume.Turn(
        run_id=str(answer.run_id or ""),
        human=HumanMessage("", id=str(answer.parent_id)),
        complete=True,
        checkpoint_id=answer.checkpoint_id or None,
    )


def _turn(run: Run | None, prompt: Message, answer: Message | None, attached: Sequence[UUID]) -> resume.Turn:
    said = attachments.content(prompt.text, [str(id_) for id_ in attached])
    return resume.Turn(
        run_id=str(run.id) if run is not None else "",
        human=HumanMessage(said, id=str(prompt.id)),
        complete=False,
        text=answer.text if answer is not None else "",
        tool_calls={call.tool_call_id: call.as_object() for call in answer.tool_calls.all()}
        if answer
        else {},
    )


_ATTACHED = """
SELECT image.id FROM chat_message_attachments AS attached JOIN chat_image AS image ON image.id = attached.image_id
WHERE attached.message_id = %s ORDER BY image.created_at, image.id
"""


def _attached(prompt: Message) -> list[UUID]:
    return [id_ for (id_,) in table.read(_ATTACHED, [prompt.id])]


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
        rows.prune(run, last - 1)


def note_tool_call(claim: Claim, call: objects.ToolCall, happened: Sequence[events.Event]) -> None:
    """Keep a tool call as it now stands, with the events that say so. Raises RunLost."""
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
        told = [*happened[:-1], *_unannounced(run, call), happened[-1]]
        log.record(claim.thread_id, told, run_id=run.id, fence=claim.fence)


def _unannounced(run: Run, call: objects.ToolCall) -> list[events.Event]:
    """What a worker did not live to tell: its tool's result was stored, and so the tool does not run again."""
    image = Image.objects.filter(run=run, tool_call_id=call.id, announced=False).first()
    if image is None or call.status == "running":
        return []
    image.announced = True
    image.save(update_fields=["announced"])
    ready = image.as_object()
    return [events.ImageReady(url=ready.url, prompt=ready.prompt, tool_call_id=call.id, image=ready)]


def announce_image(claim: Claim, event: events.ImageReady) -> None:
    """Tell of a picture, once, however often its tool runs. Raises RunLost."""
    with transaction.atomic():
        run = owned(claim)
        if Image.objects.filter(id=event.image.id, announced=False).update(announced=True):
            log.record(claim.thread_id, [event], run_id=run.id, fence=claim.fence)


def hand_over(claim: Claim) -> None:
    """Note that the attempt ends in order, and another goes on: it was not lost. Raises RunLost."""
    with transaction.atomic():
        run = owned(claim)
        attempts.end(run, Run.BrokenOff.HANDED_OVER, timezone.now())
        table.write(table.Update(run, ("attempts",)))


def complete(claim: Claim, ending: rows.Ending) -> None:
    """The answer is whole. Raises RunLost."""
    _finish(claim, Run.Status.COMPLETED, ending)


def fail(claim: Claim, ending: rows.Ending) -> None:
    """The run ends here, for the reason given. Raises RunLost."""
    _finish(claim, Run.Status.FAILED, ending)


def _finish(claim: Claim, status: Run.Status, ending: rows.Ending) -> None:
    with transaction.atomic():
        run, has_called = _owned(claim)
        thread = run.thread
        lifted = threads.touched(thread, "active_run")
        another = rows.end(thread, run, status, ending, lifted, has_called=has_called)
        if status == Run.Status.COMPLETED and not thread.title:
            rows.queue(TITLE, thread_id=str(thread.id))
        if another:
            rows.defer_next(thread)


# What is read beside the thread's row is not read again where its lock had to be waited for. The fence is: where it
# holds, nobody else has changed the run.
_OWNED = table.statement(
    """
SELECT {thread}, {run}, {answer}, EXISTS (SELECT 1 FROM chat_toolcall WHERE run_id = run.id)
FROM chat_thread AS thread
JOIN chat_run AS run ON run.thread_id = thread.id
JOIN chat_message AS answer ON answer.id = run.answer_id
WHERE thread.id = %s AND run.id = %s FOR UPDATE OF thread
""",
    thread=threads.THREADS,
    run=rows.RUNS,
    answer=rows.MESSAGES,
)


def owned(claim: Claim) -> Run:
    """The claimed run with its answer, and its thread's lock held.

    Raises RunLost where it is no longer this claim's.
    """
    return _owned(claim)[0]


def _owned(claim: Claim) -> tuple[Run, bool]:
    """The same, and whether the run has called tools."""
    found = table.read(_OWNED, [claim.thread_id, claim.run_id], threads.THREADS, rows.RUNS, rows.MESSAGES)
    thread, run, answer, has_called = found[0] if found else (None, None, None, False)
    if thread is None or (thread.active_run_id, thread.active_attempt) != claim.fence:
        raise RunLost("The run went on elsewhere.")
    run.thread, run.answer = thread, answer
    return run, has_called
