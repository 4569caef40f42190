"""Executing a run: from a job to an answer. What claim gave to a worker is driven here until finish takes it back.

The agent's stream is read part by part; what it comes to is told in the log as it happens. Deltas are not waited for
one by one: they go to the log's writer in order, and what changes rows waits until they are written. An attempt ends in
one of these ways:

- the agent ends: the run is completed, or failed with a reason that a person can act on;
- RunLost: somebody else's claim or a stop took the run away; there is nothing left to do here;
- the process stops in order, or the database goes away: the job is handed back, and whoever takes it next goes on from
  the last checkpoint.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from chat import configured, db, events, objects, runs
from chat.agent import checkpoints, graph, middleware, models, resume, stream, voice
from chat.agent.context import RunContext
from chat.db import in_thread
from chat.effects import RunEffects
from chat.errors import HandedBack, RunLost, Unavailable
from chat.log import append
from project import postgres

logger = logging.getLogger(__name__)

CUT_SHORT = objects.RunError(
    code="cut_short", message="The model's limit ended this answer here.", retryable=False
)
"""What there is to say of an answer that is complete as far as its model goes, and not as far as its words go."""
GARBAGE_AFTER = 10_000
"""After so many more new objects than gone ones Python looks for cycles among them."""
UNWRITTEN_MAX = 32
"""How many appends may be on their way before the agent is held back."""


class _Agent:
    """The agent as one process has it: built once, with a memory for each run."""

    def __init__(self) -> None:
        self.graph = graph.build(configured.model())
        self.painter = configured.the_painter()
        self.pool = checkpoints.open_pool(postgres.conninfo(), check=db.still_open)


_agent = db.PerLoop(_Agent)


async def close() -> None:
    """Close the loop's connections to the model and to the agent's memory."""
    await models.close()
    found = _agent.pop()
    if found is not None:
        await found.pool.close()


async def warm() -> None:
    """Build the agent before the first run needs it."""
    await asyncio.to_thread(configured.model)
    gc.freeze()  # what it has imported is here to stay, see process.start
    # Of a turn's objects nearly all go when they are let go of. To look for cycles at every 700th is 1.8 % of the CPU.
    gc.set_threshold(GARBAGE_AFTER)
    await _agent.get().pool.open()


_FENCE = """
SELECT 1 FROM chat_thread WHERE id = %s AND active_run_id = %s AND active_attempt = %s FOR KEY SHARE
"""


async def execute(run_id: UUID, worker: str, stopping: asyncio.Event) -> None:
    """Work on the run until it ends or is not this worker's any more.

    Raises HandedBack where its job must be done again because `stopping` was set and a step had ended, Unavailable
    where the database went.
    """
    claim = await in_thread(runs.claim, run_id, worker)
    if claim is None:
        return
    try:
        await _Attempt(claim, stopping).drive()
    except RunLost:
        logger.info("run %s went on elsewhere", run_id)
    except (HandedBack, asyncio.CancelledError):
        if stopping.is_set():
            await _note_handed_over(claim)
        raise
    except db.DOWN as error:
        raise Unavailable("The database does not answer.") from error


async def _note_handed_over(claim: runs.Claim) -> None:
    """Best effort: where it cannot be written, who goes on takes the attempt for lost."""
    try:
        await in_thread(runs.hand_over, claim)
    except (RunLost, *db.DOWN) as error:
        logger.info("run %s is handed over without a note: %s", claim.run_id, error)


class _Attempt:
    """One worker's execution of a claimed run."""

    def __init__(self, claim: runs.Claim, stopping: asyncio.Event) -> None:
        self._claim = claim
        self._stopping = stopping
        self._unwritten: deque[asyncio.Future[int]] = deque()
        self._held: list[events.Event] = []
        self._translation: stream.Translation

    async def drive(self) -> None:
        claim = self._claim
        try:
            await self._stream()
            await self._written()
            # In here too: what the rows cannot hold ends as a failure, not as a job that is done again for ever.
            await in_thread(runs.complete, claim, self._ending())
        except (RunLost, HandedBack, *db.DOWN):
            raise
        except LookupError as error:
            await self._fail(
                "memory_lost", f"The agent's memory of this thread is gone: {error}", retryable=False
            )
        except middleware.TooManySteps:
            await self._fail(
                "too_many_steps", "The model called tools without coming to an end.", retryable=True
            )
        except Exception as error:  # noqa: BLE001  whatever the agent raises ends as words in the thread
            code, message, retryable = models.failure(error)
            logger.warning("run %s failed: %s (%s)", claim.run_id, code, type(error).__name__)
            await self._fail(code, message, retryable=retryable)

    async def _stream(self) -> None:
        claim = self._claim
        agent = _agent.get()
        await agent.pool.open()
        fence = checkpoints.Fence(_FENCE, (claim.thread_id, claim.fence.run_id, claim.fence.attempt))
        newest = checkpoints.Newest(str(claim.thread_id), claim.newest_checkpoint_id)
        saver = checkpoints.FencedSaver(agent.pool, fence, newest)
        mine = graph.remembering(agent.graph, saver)
        self._translation = self._new_translation([])
        position = await resume.locate(
            mine,
            saver,
            thread_id=str(claim.thread_id),
            run_id=str(claim.run_id),
            newest_id=claim.newest_checkpoint_id,
            path=claim.earlier,
            begun=claim.again,
        )
        self._translation = self._new_translation(position.answered)
        if claim.again:
            restarted = self._translation.restarted()
            await in_thread(runs.restart, claim, restarted.text, restarted.reasoning)
        context = RunContext(
            thread_id=str(claim.thread_id),
            run_id=str(claim.run_id),
            attempt=claim.fence.attempt,
            effects=RunEffects(claim),
            painter=agent.painter,
            line=voice.Line(self._tell_at_once),
        )
        parts = graph.stream(mine, position.given(claim.prompt.human), position.config, context)
        reached: Mapping[str, Any] | None = None
        async with aclosing(parts):  # type: ignore[type-var]
            async for part in parts:
                context.line.close()
                await self._tell(self._translation.translate(part))
                context.line.open(part["data"])
                if part["type"] == "checkpoints" and not part["ns"]:
                    reached = part["data"]
                if self._stopping.is_set() and part["type"] == "checkpoints":
                    await self._written()
                    raise HandedBack("the process stops")
        if reached is not None:
            saver.remember(reached)

    def _new_translation(self, answered: Any) -> stream.Translation:
        claim = self._claim
        return stream.Translation(
            run_id=str(claim.run_id),
            message_id=str(claim.answer_id),
            attempt=claim.fence.attempt,
            answered=answered,
            tool_calls=claim.prompt.tool_calls,
            started_at=claim.started_at,
        )

    async def _tell(self, happened: list[events.Event]) -> None:
        """Put the events into the log, in their order.

        What a person does not wait for is held until something comes that they do: a write of its own costs as much.
        """
        urgent = False
        for event in happened:
            match event:
                case events.ToolCallStarted() | events.ToolCallCompleted():
                    told, self._held = [*self._held, event], []
                    await self._written()
                    await in_thread(runs.note_tool_call, self._claim, event.tool_call, told)
                case events.ImageReady():
                    await self._append()
                    await self._written()
                    await in_thread(runs.announce_image, self._claim, event)
                case events.AgentUpdate() | events.RunProgress():
                    self._held.append(event)
                case _:
                    self._held.append(event)
                    urgent = True
        if urgent:
            await self._append()

    def _tell_at_once(self, said: voice.Said) -> bool:
        """Put words into the log where they are heard; not where an append has failed, or too many are on their way."""
        while self._unwritten and self._unwritten[0].done():
            if self._unwritten[0].exception() is not None:
                return False
            self._unwritten.popleft()
        if len(self._unwritten) > UNWRITTEN_MAX:
            return False
        self._held += self._translation.hear(said)
        self._begin_to_append()
        return True

    async def _append(self) -> None:
        self._begin_to_append()
        while self._unwritten and (len(self._unwritten) > UNWRITTEN_MAX or self._unwritten[0].done()):
            await self._unwritten.popleft()

    def _begin_to_append(self) -> None:
        if self._held:
            self._unwritten.append(append(self._claim.thread_id, self._claim.fence, self._held))
            self._held = []

    async def _written(self) -> None:
        """Wait until all that was told is in the log."""
        while self._unwritten:
            await self._unwritten.popleft()

    def _ending(self, error: objects.RunError | None = None) -> runs.Ending:
        told = self._translation
        return runs.Ending(
            text=told.text,
            reasoning=told.reasoning,
            checkpoint_id=told.checkpoint_id or "",
            usage=told.usage or None,
            error=error or (CUT_SHORT if told.is_cut_short else None),
            # How far it has got says nothing more when it has ended.
            told=[event for event in self._held if not isinstance(event, events.RunProgress)],
        )

    async def _fail(self, code: str, message: str, *, retryable: bool) -> None:
        await self._written()
        error = objects.RunError(code=code, message=message, retryable=retryable)
        await in_thread(runs.fail, self._claim, self._ending(error))
