"""The thread's event log: the truth that everything a person sees is a fold over.

The only code that writes events, and that sends to a group; replay.py reads. An event gets its `seq` under the lock
of its thread's row, is committed, and only then sent. There are two ways in, with one statement:

- `append`, for a run at work: asynchronous and in batches. One writer a process takes what is waiting of all runs,
  writes it in one statement, sends, and begins again: light load flushes at once, heavy load batches by itself.
- `record`, for a change of rows: synchronous, inside the transaction that changes them, so that rows and events are
  committed together or not at all.

Both check the fence: a worker that no longer owns the run writes nothing and gets RunLost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import transaction

from chat import db, events, groups
from chat.errors import RunLost
from chat.prepared import Prepared

BATCH_EVENTS = 1000
ALONE_MAX = 3
"""How many connections may wait for threads that somebody holds, while the others are written on."""


class Fence(NamedTuple):
    """The execution of a run on whose behalf something is written."""

    run_id: UUID
    attempt: int


# `base` is null where the fence does not hold; a thread that is gone is not answered of. The rows are locked in the
# order of their ids, so that two batches cannot wait for each other. A fence is compared with the row as it is once the
# lock is held: Postgres evaluates the UPDATE's condition again on a row it waited for. The events come as one JSON
# text: arrays of texts cost the client several times as much. Postgres expects a hundred parts in one, and for so many
# it would rather look through all threads of a smaller site: an array it looks up.
_APPEND = """
WITH part AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS part (thread_id uuid, run_id uuid, attempt int, events int)
), locked AS MATERIALIZED (
    SELECT id FROM chat_thread WHERE id = ANY(ARRAY(SELECT thread_id FROM part)) ORDER BY id FOR NO KEY UPDATE
), numbered AS (
    UPDATE chat_thread AS thread SET last_seq = thread.last_seq + part.events
    FROM part, locked
    WHERE thread.id = part.thread_id AND locked.id = thread.id
      AND (part.run_id IS NULL OR (thread.active_run_id = part.run_id AND thread.active_attempt = part.attempt))
    RETURNING thread.id, thread.last_seq - part.events AS base
), written AS (
    INSERT INTO chat_event (thread_id, seq, type, run_id, body)
    SELECT event.thread_id, numbered.base + event.place, event.type, event.run_id, event.body
    FROM json_to_recordset(%s::json) AS event (thread_id uuid, place int, type text, run_id uuid, body text)
    JOIN numbered ON numbered.id = event.thread_id
)
SELECT locked.id, numbered.base FROM locked LEFT JOIN numbered ON numbered.id = locked.id
"""

# The same without waiting for anybody: threads whose row somebody holds are not answered of either.
_APPEND_TO_THE_FREE = (
    _APPEND.replace("FOR NO KEY UPDATE", "FOR NO KEY UPDATE SKIP LOCKED")
    .replace("%s", "$1", 1)
    .replace("%s", "$2", 1)
)

_WAIT_LONGER = "SET LOCAL lock_timeout = '5s'"
"""Longer than Postgres lets a frozen holder keep the row (project/postgres): no run is lost by waiting for that."""


@dataclass(slots=True)
class _Part:
    """What is written to one thread in one statement."""

    thread_id: UUID
    fence: Fence | None
    encoded: list[tuple[str, UUID | None, str]]
    waiting: list[asyncio.Future[int]]


def _arguments(parts: Sequence[_Part]) -> tuple[str, str]:
    threads = [
        {
            "thread_id": part.thread_id,
            "run_id": part.fence.run_id if part.fence else None,
            "attempt": part.fence.attempt if part.fence else None,
            "events": len(part.encoded),
        }
        for part in parts
    ]
    written = [
        {"thread_id": part.thread_id, "place": place, "type": type_, "run_id": run_id, "body": body}
        for part in parts
        for place, (type_, run_id, body) in enumerate(part.encoded, 1)
    ]
    return events.dumps(threads), events.dumps(written)


def _encode(
    thread_id: UUID, run_id: UUID | None, happened: Iterable[events.Event], at: str
) -> list[tuple[str, UUID | None, str]]:
    encoded: list[tuple[str, UUID | None, str]] = []
    for event in happened:
        of_run = run_id if event.of_run else None
        encoded.append((event.type, of_run, events.encode(event, thread_id=thread_id, run_id=of_run, at=at)))
    return encoded


def _message(base: int, part: _Part) -> dict[str, Any]:
    return {
        "thread_id": str(part.thread_id),
        "base": base,
        "frames": [events.frame(base + place, body) for place, (_, _, body) in enumerate(part.encoded, 1)],
    }


class _Writer:
    """Group commit: the one task of a process that appends for all its runs."""

    def __init__(self) -> None:
        self._waiting: list[_Part] = []
        self._held: dict[UUID, asyncio.Task[None]] = {}
        self._alone = asyncio.Semaphore(ALONE_MAX)
        self._append = Prepared(_APPEND_TO_THE_FREE)
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._write_loop())

    def submit(self, thread_id: UUID, fence: Fence, happened: Iterable[events.Event]) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        encoded = _encode(thread_id, fence.run_id, happened, events.now())
        last = next((part for part in reversed(self._waiting) if part.thread_id == thread_id), None)
        if last is not None and last.fence == fence:
            last.encoded += encoded
            last.waiting.append(future)
        else:
            self._waiting.append(_Part(thread_id, fence, encoded, [future]))
        self._wake.set()
        return future

    def _take(self) -> list[_Part]:
        """The next batch: at most one part a thread, for a statement can fence a row only once; of a thread that is
        held up, none before the part that waits for it."""
        taken: dict[UUID, _Part] = {}
        left: list[_Part] = []
        events_taken = 0
        for part in self._waiting:
            if part.thread_id in taken or part.thread_id in self._held or events_taken >= BATCH_EVENTS:
                left.append(part)
            else:
                taken[part.thread_id] = part
                events_taken += len(part.encoded)
        self._waiting = left
        if not (taken and left):
            self._wake.clear()
        return list(taken.values())

    async def _write_loop(self) -> None:
        while True:
            await self._wake.wait()
            parts = self._take()
            if not parts:
                continue
            try:
                await self._write(parts)
            except psycopg.DataError:
                for part in parts:  # one text that Postgres refuses must not fail the others of the batch
                    await self._write_alone(part)
            except Exception as error:  # noqa: BLE001
                # Whether the batch was committed is not known. Its runs begin again from their last checkpoint,
                # which makes both answers right; see execution.py.
                _fail(parts, error)

    async def _write(self, parts: list[_Part]) -> None:
        """Write the batch. A thread whose row somebody holds goes on alone, so that no other waits for it."""
        answered = {row[0]: row[1] for row in await self._append.execute(*_arguments(parts))}
        bases: dict[UUID, int | None] = {}
        for part in parts:
            key = str(part.thread_id).encode()
            if key in answered:
                base = answered[key]
                bases[part.thread_id] = None if base is None else int(base)
            else:
                waiting = asyncio.get_running_loop().create_task(self._write_alone(part))
                self._held[part.thread_id] = waiting
                waiting.add_done_callback(partial(self._release, part.thread_id))
        self._send([part for part in parts if part.thread_id in bases], bases)

    def _release(self, thread_id: UUID, _: asyncio.Task[None]) -> None:
        del self._held[thread_id]
        self._wake.set()

    def _send(self, parts: list[_Part], bases: dict[UUID, int | None]) -> None:
        exchange = groups.exchange()
        for part in parts:
            base = bases.get(part.thread_id)
            if base is None:
                _fail([part], RunLost("The run went on elsewhere."))
                continue
            exchange.send(groups.thread(part.thread_id), _message(base, part))
            for future in part.waiting:
                if not future.done():
                    future.set_result(base + len(part.encoded))

    async def _write_alone(self, part: _Part) -> None:
        try:
            pool = await db.pool()
            async with self._alone, pool.connection() as conn, conn.transaction():
                await conn.execute(_WAIT_LONGER)
                cursor = await conn.execute(_APPEND, _arguments([part]))
                bases: dict[UUID, int | None] = dict(await cursor.fetchall())
        except Exception as error:  # noqa: BLE001  it goes to who waits for the append
            _fail([part], error)
        else:
            self._send([part], bases)

    async def close(self) -> None:
        tasks = [self._task, *self._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._append.close()
        _fail(self._waiting, RunLost("The process ends."))


def _fail(parts: Iterable[_Part], error: Exception) -> None:
    for part in parts:
        for future in part.waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # marked as seen: who does not wait for each append looks at the last one


_writer = db.PerLoop(_Writer)


def append(thread_id: UUID, fence: Fence, happened: Iterable[events.Event]) -> asyncio.Future[int]:
    """Append events on behalf of a run; they are written in the order of the calls.

    The future gives the last `seq` once the events are committed and sent. It raises RunLost where the fence does not
    hold, and the database's own error where it is away.
    """
    return _writer.get().submit(thread_id, fence, happened)


async def close() -> None:
    """End the loop's writer; what was not written yet is refused."""
    writer = _writer.pop()
    if writer is not None:
        await writer.close()


def record(
    thread_id: UUID,
    happened: Iterable[events.Event],
    *,
    run_id: UUID | None = None,
    fence: Fence | None = None,
) -> int:
    """Write events inside the caller's transaction and send them when it commits.

    `run_id` is carried by the events that are of a run; with a `fence` that does not hold nothing is written.
    Gives the last `seq`. Raises RunLost, and NotAtomic's own error outside a transaction.
    """
    part = _Part(thread_id, fence, _encode(thread_id, run_id, happened, events.now()), [])
    with db.cursor() as cursor:
        row = cursor.execute(_APPEND, _arguments([part])).fetchone()
    if row is None or row[1] is None:
        raise RunLost("The run went on elsewhere.")
    base: int = row[1]
    message = _message(base, part)
    transaction.on_commit(lambda: groups.send_from_thread(groups.thread(thread_id), message))
    return base + len(part.encoded)


def end(thread_id: UUID) -> None:
    """Tell all who follow a thread that it is gone, when the transaction that deletes it commits."""
    transaction.on_commit(lambda: groups.send_from_thread(groups.thread(thread_id), {"ended": True}))


def list_changed(owner_id: int, thread_id: UUID) -> None:
    """Tell the owner's open pages, when the transaction commits, that this thread looks different in their list."""
    message = {"thread_id": str(thread_id)}
    transaction.on_commit(lambda: groups.send_from_thread(groups.user(owner_id), message))


def session_ended(digest: str) -> None:
    """Tell every process, when the transaction commits, that the session whose key has this digest is no more."""
    transaction.on_commit(lambda: groups.send_from_thread(groups.doors(), {"session": digest}))


def rights_changed(user_id: int) -> None:
    """Tell every process, when the transaction commits, to ask again what lets this person in."""
    transaction.on_commit(lambda: groups.send_from_thread(groups.doors(), {"user_id": user_id}))
