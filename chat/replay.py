"""The reading of a thread's event log: what a client that has seen it up to a number has still to be told.

What is read leaves as frames, in the order of their numbers. Nothing is written here: that is log.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chat import db, events

READ_EVENTS = 1000


class Frame(NamedTuple):
    """An event as clients get it."""

    seq: int
    text: str


_SINCE = "SELECT seq, type, body FROM chat_event WHERE thread_id = %s AND seq > %s ORDER BY seq LIMIT %s"


async def since(thread_id: UUID, after: int, until: int) -> tuple[list[Frame], int]:
    """The kept events after `after`, oldest first; and the number up to which nothing was left out.

    That is `until`, which the log is known to have reached, or more: where deltas were let go, what they came to is in
    the same read, so that nothing is heard behind it that it holds already. Neighbouring deltas of one message come as
    one frame with the last one's number.
    """
    pool = await db.pool()
    async with pool.connection() as conn:
        cursor = await conn.execute(_SINCE, (thread_id, after, READ_EVENTS), binary=True)
        rows = await cursor.fetchall()
    return _merge(rows), _reached(rows, until)


class Page(NamedTuple):
    """The log's head, the last number that was let go, and the events after a number, up to `reached`, in one moment.

    Nothing is missing between the number and `reached` if `kept` is not above the number.
    """

    head: int
    kept: int
    frames: list[Frame]
    reached: int


_PAGE = """
SELECT event.seq, event.type, event.body, thread.last_seq, thread.kept_seq
FROM chat_thread AS thread LEFT JOIN LATERAL (
    SELECT seq, type, body FROM chat_event WHERE thread_id = thread.id AND seq > %s ORDER BY seq LIMIT %s
) AS event ON true
WHERE thread.id = %s AND thread.owner_id = %s ORDER BY event.seq
"""


async def page(owner_id: int, thread_id: UUID, after: int) -> Page | None:
    """The next events of the person's own thread; None where there is no such thread."""
    pool = await db.pool()
    async with pool.connection() as conn:
        cursor = await conn.execute(_PAGE, (after, READ_EVENTS, thread_id, owner_id), binary=True)
        rows = await cursor.fetchall()
    if not rows:
        return None
    head, kept = rows[0][3:]
    found = [row[:3] for row in rows] if rows[0][0] is not None else []
    return Page(head, kept, _merge(found), _reached(found, head))


_HEADS = "SELECT id, last_seq FROM chat_thread WHERE id = ANY(%s)"


async def heads(thread_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The log's head of each thread that there is."""
    pool = await db.pool()
    async with pool.connection() as conn:
        cursor = await conn.execute(_HEADS, (list(thread_ids),))
        return dict(await cursor.fetchall())


def _reached(rows: Sequence[tuple[int, str, str]], until: int) -> int:
    if len(rows) == READ_EVENTS:
        return rows[-1][0]
    return max(until, rows[-1][0]) if rows else until


def _merge(rows: Sequence[tuple[int, str, str]]) -> list[Frame]:
    """Rows of (seq, type, body) as frames, each row of neighbouring deltas of one message merged into one."""
    frames: list[Frame] = []
    delta: dict[str, Any] | None = None
    delta_seq = 0
    pieces: list[str] = []

    def flush() -> None:
        nonlocal delta
        if delta is not None:
            delta["text"] = "".join(pieces)
            frames.append(Frame(delta_seq, events.frame(delta_seq, events.dumps(delta))))
            delta = None

    for seq, type_, body in rows:
        if type_ not in events.DELTAS:
            flush()
            frames.append(Frame(seq, events.frame(seq, body)))
            continue
        this = events.loads(body)
        if delta is not None and (delta["type"], delta["message_id"]) == (this["type"], this["message_id"]):
            pieces.append(this["text"])
            delta["at"] = this["at"]
        else:
            flush()
            delta, pieces = this, [this["text"]]
        delta_seq = seq
    flush()
    return frames
