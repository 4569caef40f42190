"""Whether it stays as quick: few threads or many, a short thread or a long one."""

from __future__ import annotations

import asyncio
import time
import uuid

import psycopg

from benchmarks import streams
from benchmarks.conversations import BackdropConversation
from benchmarks.plan import Plan
from benchmarks.postgres import Database
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP, Running
from benchmarks.streams import percentile

FEW, SHORT = 100, 10
ASKED = 20

# The first row of a table is copied with some fields changed: so nothing here names every column.
_THREADS = """
INSERT INTO chat_thread SELECT (jsonb_populate_record(thread, jsonb_build_object(
    'id', gen_random_uuid(), 'updated_at', thread.updated_at - place * interval '1 minute',
    'created_at', thread.created_at - place * interval '1 minute'))).*
FROM chat_thread AS thread, generate_series(1, %s) AS place WHERE thread.id = %s
"""
_MESSAGES = """
INSERT INTO chat_message SELECT (jsonb_populate_record(message, jsonb_build_object(
    'id', chain.id, 'parent_id', chain.parent_id, 'run_id', null,
    'role', CASE WHEN chain.place %% 2 = 1 THEN 'user' ELSE 'assistant' END,
    'created_at', message.created_at - (100000 - chain.place) * interval '1 minute'))).*
FROM chat_message AS message, unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS chain (id, parent_id, place)
WHERE message.id = %s ORDER BY chain.place
"""


async def measure(plan: Plan) -> None:
    many, long = (10_000, 1_000) if plan.quick else (100_000, 10_000)
    async with plan.services.running(BACKDROP) as running:
        await streams.warm_up(plan.services, [running])
        database = running.database
        assert database is not None
        short_id, long_id = await _with_turn(plan, running), await _with_turn(plan, running)
        await asyncio.to_thread(_fill_messages, database, short_id, SHORT)
        await asyncio.to_thread(_fill_messages, database, long_id, long)
        await asyncio.to_thread(_fill_threads, database, short_id, FEW)
        few = {"list": await _list(running), "open": await _open(running, short_id)}
        few["send"] = await _send(plan, running, short_id)
        await asyncio.to_thread(_fill_threads, database, short_id, many)
        much = {
            "list": await _list(running),
            "open": await _open(running, short_id),
            "send": await _send(plan, running, short_id),
        }
        longer = {"open": await _open(running, long_id), "send": await _send(plan, running, long_id)}
        short = {"open": await _open(running, short_id), "send": await _send(plan, running, short_id)}
    titles = {"list": "listing threads", "open": "opening a thread", "send": "sending a message"}
    for key, title in titles.items():
        plan.report.add(Measure(f"{key}_few", f"{title}, among {FEW} threads", "ms", "less", 50), few[key])
        plan.report.add(
            Measure(f"{key}_many", f"{title}, among {many:,} threads", "ms", "less", 50), much[key]
        )
        row = Measure(f"{key}_growth", f"{title}, the second by the first", "×", "less", 1.3)
        plan.report.add(row, much[key] / few[key])
    for key in longer:
        title = f"{titles[key]}, one of {long:,} messages"
        plan.report.add(Measure(f"{key}_long", title, "ms", "less", 50), longer[key])
        row = Measure(f"{key}_long_growth", f"{titles[key]}, by one of {SHORT} messages", "×", "less", 1.3)
        plan.report.add(row, longer[key] / short[key])


async def _with_turn(plan: Plan, running: Running) -> str:
    """A thread with one turn of real messages."""
    conversation = await running.conversation()
    assert isinstance(conversation, BackdropConversation)
    plan.report.fault("growth", (await conversation.ask(20, 0)).faults)
    await conversation.close()
    return conversation.thread_id


def _fill_threads(database: Database, like: str, number: int) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(_THREADS, (number, like))
        connection.execute("VACUUM ANALYZE")


def _fill_messages(database: Database, thread_id: str, number: int) -> None:
    """Hang that many messages above the thread's own first one."""
    ids = [uuid.uuid4() for _ in range(number)]
    with psycopg.connect(database.url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT id FROM chat_message WHERE thread_id = %s AND parent_id IS NULL", (thread_id,)
        ).fetchone()
        assert row is not None
        with connection.transaction():
            # The chain's first is without a parent, and there may be one such in a thread.
            connection.execute(_MESSAGES, (ids[1:], ids[:-1], row[0]))
            connection.execute("UPDATE chat_message SET parent_id = %s WHERE id = %s", (ids[-1], row[0]))
            connection.execute(_MESSAGES, (ids[:1], [None], row[0]))
        connection.execute("VACUUM ANALYZE")


async def _list(running: Running) -> float:
    """Median milliseconds of the list's first page."""
    seconds = []
    for _ in range(ASKED):
        began = time.monotonic()
        (await running.http.get("/api/v1/threads")).raise_for_status()
        seconds.append(time.monotonic() - began)
    return 1e3 * percentile(seconds, 50)


async def _open(running: Running, thread_id: str) -> float:
    """Median milliseconds from connecting until the tab has what it shows."""
    seconds = []
    for _ in range(ASKED):
        tab = BackdropConversation(running.port, running.token, thread_id)
        began = time.monotonic()
        await tab.open()
        seconds.append(time.monotonic() - began)
        await tab.close()
    return 1e3 * percentile(seconds, 50)


async def _send(plan: Plan, running: Running, thread_id: str) -> float:
    """Median milliseconds from sending a message to its acknowledgement, when it is durable."""
    tab = BackdropConversation(running.port, running.token, thread_id)
    await tab.open()
    seconds = []
    for _ in range(ASKED):
        answer = await tab.ask(1, 0)
        plan.report.fault("sending", answer.faults)
        seconds.append(answer.acknowledged_at - answer.sent_at)
    await tab.close()
    return 1e3 * percentile(seconds, 50)
