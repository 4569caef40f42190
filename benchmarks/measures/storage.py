"""What stays behind and what it took to write it: checkpoints, events, statements, write-ahead log."""

from __future__ import annotations

import asyncio
import re
import time

from benchmarks import streams
from benchmarks.conversations import BackdropConversation
from benchmarks.plan import Plan
from benchmarks.postgres import Database
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP, TUTORIAL, Running

EARLY = Measure("checkpoint_20", "checkpoint bytes a turn, about turn 20", "bytes", "less")
LATE = Measure(
    "checkpoint_late",
    "checkpoint bytes a turn, the second half of the turns, a whole copy included",
    "bytes",
    "less",
)
GROWTH = Measure("checkpoint_growth", "the second by the first", "×", "less", 1.2)
TURNS = Measure("checkpoint_turns", "the last turn of these", "")
ROWS = Measure("event_rows", "event rows kept for a turn of 50 words", "", "less")
ROWS_LONG = Measure("event_rows_long", "event rows kept for a turn of 400 words", "", "less", 12)
STATEMENTS_TURN = Measure("statements_turn", "Postgres statements for a turn of 5 words", "", "less")
STATEMENTS = Measure("statements", "Postgres statements for 1,000 words in answers of 200", "", "less")
TRANSACTIONS = Measure("transactions", "Postgres transactions for 1,000 words, 10 conversations", "", "less")
WAL = Measure("wal", "write-ahead log for 1,000 words, 10 conversations", "kB", "less")

TURNS_ASKED = {BACKDROP.name: 2000, TUTORIAL.name: 200}
TURNS_QUICK = 50
SECONDS = 600.0

_CHECKPOINT_BYTES = """
SELECT (SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM checkpoints AS t)
     + (SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM checkpoint_blobs AS t)
     + (SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM checkpoint_writes AS t)
"""
_STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:]*):")


async def measure(plan: Plan) -> None:
    for target in plan.targets:
        if target is BACKDROP or (target is TUTORIAL and not plan.quick):
            async with plan.services.running(target) as running:
                await _checkpoints(plan, running)
    async with plan.services.running(BACKDROP) as running:
        await streams.warm_up(plan.services, [running])
        await _rows(plan, running)
        await _written(plan, running)
    await _statements(plan)


async def _checkpoints(plan: Plan, running: Running) -> None:
    """One thread, turn after turn."""
    turns = TURNS_QUICK if plan.quick else TURNS_ASKED[running.target.name]
    database = running.database
    assert database is not None
    conversation = await running.conversation()
    began = time.monotonic()
    sizes = []
    for turn in range(1, turns + 1):
        answer = await conversation.ask(20, 0)
        if answer.faults:
            plan.report.fault(f"turn {turn} of {running.target.title}", answer.faults)
            break
        over = time.monotonic() - began > SECONDS
        if turn in (15, 25, turns // 2, turns) or over:
            sizes.append((turn, await asyncio.to_thread(database.number, _CHECKPOINT_BYTES)))
        if over:
            plan.report.notes.append(f"{running.target.title} had no time for more than {turn} turns.")
            break
    await conversation.close()
    early = (sizes[1][1] - sizes[0][1]) / (sizes[1][0] - sizes[0][0])
    late = (sizes[-1][1] - sizes[-2][1]) / (sizes[-1][0] - sizes[-2][0])
    name = running.target.name
    plan.report.add(EARLY, early, name)
    plan.report.add(LATE, late, name)
    plan.report.add(GROWTH, late / early, name)
    plan.report.add(TURNS, sizes[-1][0], name)
    plan.note(f"{running.target.title}: {sizes[-1][0]} turns in {time.monotonic() - began:.0f} s")


async def _rows(plan: Plan, running: Running) -> None:
    for words, row in ((50, ROWS), (400, ROWS_LONG)):
        conversation = await running.conversation()
        assert isinstance(conversation, BackdropConversation)
        assert running.database is not None
        answer = await conversation.ask(words, 200)
        plan.report.fault("event rows", answer.faults)
        kept = running.database.number(
            "SELECT count(*) FROM chat_event WHERE thread_id = %s", conversation.thread_id
        )
        plan.report.add(row, kept)
        await conversation.close()


async def _written(plan: Plan, running: Running) -> None:
    database = running.database
    assert database is not None
    before = await _ledger(database)
    load = await streams.load_of(plan.services, [running], 10, words=plan.words)
    plan.check("what is written", load)
    after = await _ledger(database)
    plan.report.add(TRANSACTIONS, 1000 * (after[0] - before[0]) / load.words)
    plan.report.add(WAL, (after[1] - before[1]) / load.words)


async def _ledger(database: Database) -> tuple[int, int]:
    """Transactions of the database and bytes of the log so far."""
    await asyncio.sleep(1.5)  # a backend reports what it did at most once a second
    return (
        await asyncio.to_thread(
            database.number, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ),
        await asyncio.to_thread(database.number, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"),
    )


async def _statements(plan: Plan) -> None:
    """Counted in Postgres's own log of them, on a database that has it on."""
    postgres = plan.services.postgres
    database = postgres.migrated()
    postgres.log_statements(database)
    async with plan.services.running(BACKDROP, database=database) as running:
        await streams.warm_up(plan.services, [running])
        conversation = await running.conversation()
        turns = 5
        begin = postgres.log_bytes()
        for _ in range(turns):
            plan.report.fault("statements", (await conversation.ask(5, 0)).faults)
        middle = postgres.log_bytes()
        plan.report.fault("statements", (await conversation.ask(200, streams.PACE)).faults)
        end = postgres.log_bytes()
        plan.report.add(STATEMENTS_TURN, _count(middle, begin) / turns)
        plan.report.add(STATEMENTS, 5 * _count(end, middle))
        await conversation.close()
    postgres.drop(database)


def _count(log: bytes, before: bytes) -> int:
    return len(_STATEMENT.findall(log[len(before) :]))
