"""Coming back to a thread that has gone on, and what others notice of a database that is slow for one of them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid

import psycopg

from benchmarks import streams
from benchmarks.conversations import BackdropConversation
from benchmarks.model_server import base36
from benchmarks.plan import Plan
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP, Running
from benchmarks.streams import percentile

BACK = Measure("back", "back after 1,000 missed events, connecting included", "ms", "less", 10)
NOTHING_MISSED = Measure("back_0", "back after none, connecting included", "ms", "less")
CROWD = Measure(
    "back_crowd", "200 clients back at once, each after 1,000, until the last has all", "ms", "less", 500
)
BLOCKED = Measure(
    "blocked", "delay of others while one waits 1 s for a row of the database", "ms", "less", 20
)
BLOCKED_STREAM = Measure(
    "blocked_stream", "the same, where the row is that of a thread that streams", "ms", "less", 20
)

EVENTS = 1000
CLIENTS = 200
LOCK_SECONDS = 1.0


async def measure(plan: Plan) -> None:
    async with plan.services.running(BACKDROP) as running:
        await streams.warm_up(plan.services, [running])
        threads = await _with_missed(running, CLIENTS)
        for _ in range(plan.repetitions):
            await _back(plan, running, threads)
            await _crowd(plan, running, threads)
            plan.report.add(BLOCKED, 1e3 * await _blocked(plan, running, streaming=False))
            plan.report.add(BLOCKED_STREAM, 1e3 * await _blocked(plan, running, streaming=True))


async def _with_missed(running: Running, number: int) -> list[str]:
    """Threads whose logs have what a run of 40 seconds says: deltas, and now and then a step."""
    threads = list(await asyncio.gather(*(running.thread() for _ in range(number))))
    message_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    bodies, types, said = [], [], 0
    for place in range(EVENTS):
        common = {"at": "2025-01-01T00:00:00.000Z", "thread_id": threads[0], "run_id": run_id}
        if place % 50 == 49:
            types.append("agent_update")
            bodies.append(json.dumps({"type": types[-1], **common, "node": "model", "data": {}}))
        else:
            types.append("assistant_delta")
            text = f"{base36(said)}.0 {base36(said + 1)}.0 "
            said += 2
            bodies.append(json.dumps({"type": types[-1], **common, "message_id": message_id, "text": text}))
    assert running.database is not None
    await asyncio.to_thread(
        running.database.query,
        "INSERT INTO chat_event (thread_id, seq, type, run_id, body)"
        " SELECT thread_id, seq, type, %s, body FROM unnest(%s::uuid[]) AS thread_id,"
        " unnest(%s::text[], %s::text[]) WITH ORDINALITY AS event (type, body, seq)",
        run_id,
        threads,
        types,
        bodies,
    )
    await asyncio.to_thread(
        running.database.query,
        "UPDATE chat_thread SET last_seq = %s WHERE id = ANY(%s::uuid[])",
        EVENTS,
        threads,
    )
    await asyncio.to_thread(_analyze, running.database.url)
    return threads


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


async def _return(plan: Plan, running: Running, thread_id: str, after: int) -> float:
    tab = BackdropConversation(running.port, running.token, thread_id)
    # Two words in each delta, and one event in fifty is none.
    tab.expect(2 * (EVENTS - EVENTS // 50) if not after else 0)
    began = time.monotonic()
    await tab.open(after)
    seconds = time.monotonic() - began
    tab.answer.end()
    plan.report.fault("coming back", tab.answer.faults)
    if tab.seq != EVENTS:
        plan.report.fault("coming back", [f"ended with event {tab.seq}"])
    await tab.close()
    return seconds


async def _back(plan: Plan, running: Running, threads: list[str]) -> None:
    missed = [await _return(plan, running, thread_id, 0) for thread_id in threads[:40]]
    nothing = [await _return(plan, running, thread_id, EVENTS) for thread_id in threads[:40]]
    plan.report.add(BACK, 1e3 * percentile(missed, 50))
    plan.report.add(NOTHING_MISSED, 1e3 * percentile(nothing, 50))


async def _crowd(plan: Plan, running: Running, threads: list[str]) -> None:
    began = time.monotonic()
    await asyncio.gather(*(_return(plan, running, thread_id, 0) for thread_id in threads))
    plan.report.add(CROWD, 1e3 * (time.monotonic() - began))


async def _blocked(plan: Plan, running: Running, *, streaming: bool) -> float:
    """How late the latest word of another person comes while somebody's row is locked, above what is usual."""
    one, other = await asyncio.gather(running.conversation(), running.conversation())
    assert isinstance(one, BackdropConversation)
    assert running.database is not None
    other_asks = asyncio.create_task(other.ask(200, streams.PACE))
    one_asks = asyncio.create_task(one.ask(200, streams.PACE)) if streaming else None
    await asyncio.sleep(1.5)
    held = asyncio.create_task(asyncio.to_thread(_hold, running.database.url, one.thread_id))
    await asyncio.sleep(0.2)
    if one_asks is None:
        one_asks = asyncio.create_task(one.ask(5, 0))  # waits for the row
    await asyncio.gather(held, one_asks, other_asks)
    delays = other_asks.result().delays
    calm, locked = (
        delays[10 : int(1.3 * streams.PACE)],
        delays[int(1.5 * streams.PACE) : int(2.7 * streams.PACE)],
    )
    plan.report.fault("a row is locked", [*one_asks.result().faults, *other_asks.result().faults])
    await streams.close_conversations([one, other])
    return max(0.0, max(locked, default=0.0) - percentile(calm, 95))


def _hold(url: str, thread_id: str) -> None:
    """Hold the lock of a thread's row, as a slow query in a transaction does."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT id FROM chat_thread WHERE id = %s FOR UPDATE", (thread_id,))
        connection.execute("SELECT pg_sleep(%s)", (LOCK_SECONDS,))
