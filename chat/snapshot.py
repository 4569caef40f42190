"""A thread as it stands: the frame that replaces what a client holds, read in one statement of one moment.

Everybody who opens a page waits for this. So Postgres makes the JSON of the rows, in one round trip and without
Django's objects. The shapes are those of objects.py: a test holds each kind of row to what history.py makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from uuid import UUID

import orjson
import psycopg
from django.urls import reverse

from chat import db, events, frames, history
from chat.errors import NotFound
from chat.models import Run
from chat.replay import Frame

SNAPSHOT_BYTES = 640 * 1024
"""How much of the shown path a snapshot holds: Daphne, and many a client, take no frame above 1 MiB."""


def _time(column: str) -> str:
    return (
        f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS {column.split('.')[1]}"
    )


def _all(shape: str, order: str, source: str) -> str:
    """A JSON array of the shape, for each row of the source."""
    return (
        f"(SELECT coalesce(json_agg(row_to_json(shape) ORDER BY {order}), '[]')"  # noqa: S608  our own text
        f" FROM {source}, LATERAL (SELECT {shape}) AS shape)"
    )


_THREAD = f"""
thread.id, thread.title,
CASE WHEN thread.background ->> 'kind' = 'image' THEN '{{"accent": null}}'::jsonb || thread.background
    ELSE thread.background END AS background,
thread.head_id, thread.archived, thread.model,
{_time("thread.created_at")}, {_time("thread.updated_at")}
"""
_IMAGE = f"""
image.id, image.thread_id, image.run_id, nullif(image.tool_call_id, '') AS tool_call_id, image.prompt,
replace($4, $6, image.id::text) AS url,
replace($5, $6, image.id::text) AS thumbnail_url,
image.width, image.height, image.accent, {_time("image.created_at")}
"""
_TOOL_CALL = f"""
call.tool_call_id AS id, call.run_id, call.message_id, call.name, call.args, call.status,
CASE WHEN call.duration_ms IS NOT NULL AND call.status = 'succeeded' THEN 1.0 END AS progress,
'' AS text, NULL AS preview_url, call.result, call.error, call.text_offset, {_time("call.started_at")}, call.duration_ms
"""
_ATTACHMENTS = _all(
    _IMAGE,
    "attached.id",
    "chat_message_attachments AS attached JOIN chat_image AS image ON image.id = attached.image_id"
    " AND attached.message_id = message.id",
)
_TOOL_CALLS = _all(
    _TOOL_CALL,
    "call.text_offset, call.id",
    "(SELECT * FROM chat_toolcall WHERE message_id = message.id) AS call",
)
# While the run is at work, a picture that is saved and not yet in the log is not there yet.
_IMAGES = _all(
    _IMAGE,
    "image.created_at, image.id",
    "(SELECT * FROM chat_image WHERE message_id = message.id"
    " AND (announced OR message.status <> 'streaming')) AS image",
)
_SIBLINGS = """
SELECT count(*) FROM chat_message AS sibling
WHERE sibling.thread_id = message.thread_id AND sibling.status <> 'queued' AND sibling.parent_id
"""
_MESSAGE = f"""
message.id, message.thread_id, message.run_id, message.parent_id, message.role, message.text, message.reasoning,
message.status, {_ATTACHMENTS} AS attachments, {_TOOL_CALLS} AS tool_calls, {_IMAGES} AS images,
message.sibling_index,
greatest(1, CASE WHEN message.status = 'queued' THEN 1 WHEN message.parent_id IS NULL THEN ({_SIBLINGS} IS NULL)
    ELSE ({_SIBLINGS} = message.parent_id) END) AS sibling_count,
ended.error,
CASE WHEN ended.ended_at >= ended.started_at
    THEN floor(1000 * extract(epoch FROM ended.ended_at - ended.started_at))::bigint
    WHEN ended.ended_at < ended.started_at THEN 0 END AS elapsed_ms,
{_time("message.created_at")}
"""
# The step that the run's newest progress told of; an attempt that has told of none yet has none.
_STEP = """
CASE WHEN run.status <> 'running' THEN run.current_step ELSE (
    SELECT event.body::json ->> 'current_step' FROM chat_event AS event
    WHERE event.thread_id = run.thread_id AND event.seq > run.first_seq AND event.run_id = run.id
      AND event.type IN ('run_progress', 'run_queued', 'run_started', 'run_recovered')
    ORDER BY event.seq DESC LIMIT 1
) END
"""
_BROKEN_OFF = ", ".join(f"'{outcome}'" for outcome in Run.BrokenOff.values)
_RUN = f"""
run.id, run.thread_id, run.answer_id AS message_id, run.status, run.attempt,
run.status = 'running' AND coalesce(run.attempts -> -2 ->> 'outcome' IN ({_BROKEN_OFF}), false) AS recovered,
{_STEP} AS current_step, run.interrupts, run.error, run.usage,
{_time("run.created_at")}, {_time("run.started_at")}, {_time("run.ended_at")}
"""
_SNAPSHOT = f"""
WITH RECURSIVE thread AS MATERIALIZED (
    SELECT * FROM chat_thread WHERE id = $1 AND owner_id = $2
), path (id, parent_id, place) AS (
    SELECT message.id, message.parent_id, 1
    FROM thread JOIN chat_message AS message ON message.id = thread.head_id AND message.thread_id = thread.id
    UNION ALL
    SELECT message.id, message.parent_id, path.place + 1
    FROM chat_message AS message JOIN path ON message.id = path.parent_id
    WHERE path.place < $3 + 1
), runs AS MATERIALIZED (
    SELECT run.*, run.queued_seq AS place FROM thread JOIN chat_run AS run ON run.thread_id = thread.id
    WHERE run.status IN ('queued', 'running', 'interrupted')
    UNION ALL
    SELECT run.*, -1 FROM thread JOIN chat_message AS message ON message.id = thread.head_id
    JOIN chat_run AS run ON run.answer_id = message.id
    WHERE message.status = 'failed' AND run.status = 'failed'
), messages AS MATERIALIZED (
    SELECT shown.waits, shown.place, row_to_json(shape)::text AS text
    FROM (
        SELECT id, -place::bigint AS place, false AS waits FROM path WHERE place <= $3
        UNION ALL
        SELECT prompt_id, place, true FROM runs
    ) AS shown
    JOIN chat_message AS message ON message.id = shown.id AND (NOT shown.waits OR message.status = 'queued')
    LEFT JOIN chat_run AS ended
        ON ended.id = message.run_id AND message.role = 'assistant' AND message.status <> 'streaming',
    LATERAL (SELECT {_MESSAGE}) AS shape
)
SELECT
    thread.last_seq,
    (SELECT row_to_json(shape)::text FROM (SELECT {_THREAD}) AS shape),
    (SELECT array_agg(text ORDER BY place) FROM messages WHERE NOT waits),
    (SELECT array_agg(text ORDER BY place) FROM messages WHERE waits),
    (SELECT array_agg(row_to_json(shape)::text ORDER BY run.place) FROM runs AS run, LATERAL (SELECT {_RUN}) AS shape),
    EXISTS (SELECT FROM path WHERE place > $3),
    (
        SELECT array_agg(event.body ORDER BY event.seq)
        FROM runs AS run
        JOIN chat_message AS message ON message.id = run.answer_id AND message.status = 'streaming'
        JOIN chat_event AS event
            ON event.thread_id = run.thread_id AND event.seq > run.first_seq AND event.run_id = run.id
        WHERE event.type IN ({", ".join(f"'{type_}'" for type_ in events.DISPOSABLE)})
    )
FROM thread
""".encode()  # noqa: S608  nothing in it is anybody's but ours


@cache
def _addresses() -> tuple[str, str, str]:
    """Where a picture's file and thumbnail are, and what stands there in place of its id."""
    anything = UUID(int=0)
    names = ("image-file", "image-thumbnail")
    file, thumbnail = (reverse(name, args=[anything]) for name in names)
    return file, thumbnail, str(anything)


async def read(owner_id: int, thread_id: UUID, limit: int = history.PAGE) -> Frame:
    """The frame `{type, seq, thread, messages, runs, has_more}`. Raises NotFound.

    All of it is of one moment of the log, that of `seq`: one statement sees one moment.
    """
    pool = await db.pool()
    async with pool.connection() as conn:
        # Placeholders as Postgres has them: psycopg would parse its own anew in every statement of this length.
        cursor = psycopg.AsyncRawCursor(conn)
        row = await (await cursor.execute(_SNAPSHOT, (thread_id, owner_id, limit, *_addresses()))).fetchone()
    if row is None:
        raise NotFound("There is no such thread.")
    seq, thread, path, waiting, runs, has_more, written = row
    messages = [_whole(text, written or ()) for text in path or ()]
    shown = _newest_that_fit(messages)
    fields = {
        "type": "snapshot",
        "seq": seq,
        "thread": orjson.Fragment(thread),
        "messages": [orjson.Fragment(text) for text in (*shown, *(waiting or ()))],
        "runs": [orjson.Fragment(text) for text in runs or ()],
        "has_more": has_more or len(shown) < len(messages),
    }
    return Frame(seq, frames.snapshot(fields))


def _whole(text: str, written: Sequence[str]) -> str:
    """The message as it is now: an unfinished answer is what its run has written so far."""
    if '"status":"streaming"' not in text:
        return text
    message = orjson.loads(text)
    partial = history.Partial()
    for body in written:
        partial.apply(events.loads(body))
    message["text"], message["reasoning"] = "".join(partial.text), "".join(partial.reasoning)
    for call in message["tool_calls"]:
        if call["duration_ms"] is None:
            call |= partial.progress.get(call["id"], {})
    return events.dumps(message)


def _newest_that_fit(messages: list[str]) -> list[str]:
    """The end of the path, as far back as SNAPSHOT_BYTES reach; the last turn in any case."""
    room = SNAPSHOT_BYTES
    for place in range(len(messages) - 1, -1, -1):
        room -= len(messages[place].encode())
        if room < 0:
            return messages[min(place + 1, max(len(messages) - 2, 0)) :]
    return messages
