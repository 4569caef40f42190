"""The saver: set up once, written only by the owner, linear in the turns, deaf to crafted checkpoints."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint

from chat.agent import checkpoints
from chat.errors import RunLost
from tests.fakes.agents import Reply, ScriptedModel, call
from tests.fakes.checkpointed import Thread, checkpoint_database, outline
from tests.services import databases

DEADLINE_SECONDS = 20
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@pytest.fixture
def thread(pool: checkpoints.Pool) -> Thread:
    return Thread(pool, ScriptedModel(script=lambda messages: ["Hello."]))


def config(thread: Thread) -> Any:
    return {"configurable": {"thread_id": thread.id, "checkpoint_ns": ""}}


async def put(thread: Thread, saver: checkpoints.FencedSaver) -> Any:
    return await saver.aput(config(thread), empty_checkpoint(), {"source": "loop", "step": 0}, {})


async def rows(thread: Thread) -> int:
    counts = [
        await thread.query(f"SELECT count(*) FROM {table} WHERE thread_id = %s", thread.id)
        for table in TABLES
    ]
    return sum(count[0]["count"] for count in counts)


async def test_any_number_of_processes_may_set_up_at_once() -> None:
    databases.SERVER.ensure()
    database = databases.create(f"{databases.own_name()}_{uuid.uuid4().hex[:8]}")
    await asyncio.gather(*(checkpoints.setup(database.url) for _ in range(4)))
    await checkpoints.setup(database.url)
    assert len(database.query("SELECT v FROM checkpoint_migrations")) == 10
    databases.drop(database)


async def test_the_owner_writes(thread: Thread) -> None:
    await thread.own("mine")
    written = await put(thread, thread.saver("mine"))
    await thread.saver("mine").aput_writes(written, [("messages", "x")], "task")
    assert await rows(thread) == 2


@pytest.mark.parametrize(("run_id", "attempt"), [("another", 1), ("mine", 2)])
async def test_who_lost_the_run_writes_nothing(thread: Thread, run_id: str, attempt: int) -> None:
    await thread.own("mine")
    written = await put(thread, thread.saver("mine"))
    before = await rows(thread)
    await thread.own(run_id, attempt)
    with pytest.raises(RunLost):
        await put(thread, thread.saver("mine"))
    with pytest.raises(RunLost):
        await thread.saver("mine").aput_writes(written, [("messages", "x")], "task")
    with pytest.raises(RunLost):
        await thread.saver("mine").adelete_thread(thread.id)
    assert await rows(thread) == before


async def test_a_saver_without_a_fence_only_reads(thread: Thread) -> None:
    await thread.own("mine")
    await put(thread, thread.saver("mine"))
    reader = checkpoints.FencedSaver(thread.pool, None)
    assert await reader.aget_tuple(config(thread))
    with pytest.raises(RunLost):
        await put(thread, reader)


async def test_a_write_waits_for_a_takeover_under_way_and_then_finds_itself_lost(thread: Thread) -> None:
    await thread.own("mine")
    async with thread.pool.connection() as taker:
        async with taker.transaction():
            await taker.execute("SELECT 1 FROM owner WHERE thread_id = %s FOR UPDATE", (thread.id,))
            late = asyncio.create_task(put(thread, thread.saver("mine")))
            await _somebody_waits(thread)
            await taker.execute("UPDATE owner SET attempt = 2 WHERE thread_id = %s", (thread.id,))
        with pytest.raises(RunLost):
            await asyncio.wait_for(late, DEADLINE_SECONDS)
    assert await rows(thread) == 0


async def test_a_write_does_not_wait_for_an_append_to_the_log(thread: Thread) -> None:
    await thread.own("mine")
    async with thread.pool.connection() as log, log.transaction():
        await log.execute("UPDATE owner SET seq = seq + 1 WHERE thread_id = %s", (thread.id,))
        await asyncio.wait_for(put(thread, thread.saver("mine")), DEADLINE_SECONDS)


async def test_a_turn_of_words_alone_is_stored_in_one_transaction_at_its_end(thread: Thread) -> None:
    async def look() -> None:
        assert await rows(thread) == 0

    thread.model.script = lambda messages: ["Half of", look(), " it."]
    await thread.say("hi")
    assert outline(await thread.messages()) == ["human: hi", "ai: Half of it."]
    written_by = await thread.query(
        " UNION ".join(f"SELECT xmin FROM {table} WHERE thread_id = %s" for table in TABLES),
        *[thread.id] * len(TABLES),
    )
    assert len(written_by) == 1


async def test_what_could_not_be_written_is_written_with_what_follows(thread: Thread) -> None:
    await thread.own("mine")
    saver = thread.saver("mine")
    written = await put(thread, saver)
    await thread.own("another")
    with pytest.raises(RunLost):
        await saver.aput_writes(written, [("messages", "first")], "one")
    await thread.own("mine")
    await saver.aput_writes(written, [("messages", "second")], "two")
    kept = await saver.aget_tuple(config(thread))
    assert kept
    assert kept.pending_writes == [("one", "messages", "first"), ("two", "messages", "second")]


async def _somebody_waits(thread: Thread) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await thread.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)


async def test_deleting_a_thread_leaves_nothing_of_it_and_all_of_others(thread: Thread) -> None:
    other = Thread(thread.pool, thread.model)
    for each in (thread, other):
        await each.say("hi")
    await checkpoints.delete(thread.pool, thread.id)
    assert await rows(thread) == 0
    assert outline(await other.messages()) == ["human: hi", "ai: Hello."]


async def test_a_crafted_checkpoint_runs_nothing_when_it_is_loaded(thread: Thread, tmp_path: Path) -> None:
    await thread.own("mine")
    written = await put(thread, thread.saver("mine"))
    victim = tmp_path / "made"
    payload = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(("os", "mkdir", str(victim)))))
    await thread.query(
        "INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, type, blob)"
        " VALUES (%s, %s, 'task', 0, 'messages', 'msgpack', %s) RETURNING 1",
        thread.id,
        written["configurable"]["checkpoint_id"],
        payload,
    )
    await checkpoints.FencedSaver(thread.pool, None).aget_tuple(config(thread))
    assert not victim.exists()


async def test_versions_sort_by_count_and_branches_share_none(thread: Thread) -> None:
    saver, another = thread.saver("mine"), thread.saver("another")
    first = saver.get_next_version(None, None)
    later = first
    for _ in range(12):
        assert saver.get_next_version(later, None) > later
        later = saver.get_next_version(later, None)
    assert saver.get_next_version(first, None) != another.get_next_version(first, None)


SAID = "Quite a few words of what one says and hears in a day. " * 18
KIB = SAID[:1024]


def kilobyte(messages: list[BaseMessage]) -> Reply:
    """One KiB, with a tool call before it when asked for that."""
    last = messages[-1]
    if isinstance(last, HumanMessage) and last.text.startswith("tool"):
        return [
            "At once.",
            call("set_background", f"call-{uuid.uuid4()}", '{"kind": "color", "value": "navy"}'),
        ]
    usage: Any = {"input_tokens": 1000, "output_tokens": 250, "total_tokens": 1250}
    return [
        KIB,
        AIMessageChunk(content="", usage_metadata=usage, response_metadata={"finish_reason": "stop"}),
    ]


async def _row_bytes(pool: checkpoints.Pool) -> int:
    sizes = " + ".join(f"(SELECT coalesce(sum(pg_column_size(t)), 0) FROM {table} t)" for table in TABLES)
    async with pool.connection() as connection:
        row = await (await connection.execute(f"SELECT {sizes} AS bytes")).fetchone()
    assert row
    return int(row["bytes"])


async def _disk_bytes(pool: checkpoints.Pool) -> int:
    async with pool.connection() as connection:
        for table in TABLES:
            await connection.execute(f"VACUUM FULL {table}")
        sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
        row = await (await connection.execute(f"SELECT {sizes} AS bytes")).fetchone()
    assert row
    return int(row["bytes"])


@pytest.mark.parametrize(("kind", "most_bytes_a_turn"), [("text", 10_000), ("tool", 15_000)])
async def test_two_hundred_turns_cost_a_few_kilobytes_each_and_the_last_as_little_as_the_first(
    kind: str, most_bytes_a_turn: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole on disk, indexes included; flat by the bytes of the rows, which pages do not blur."""
    async with checkpoint_database() as url:
        pool = checkpoints.open_pool(url)
        await pool.open()
        thread = Thread(pool, ScriptedModel(script=kilobyte))
        empty = await _disk_bytes(pool)
        rows = {0: 0}
        for turn in range(1, 201):
            await thread.say(f"{kind} {KIB}")
            thread.path = thread.path[-1:]
            thread.model.read.clear()
            if turn in (20, 180, 200):
                rows[turn] = await _row_bytes(pool)
        disk = (await _disk_bytes(pool) - empty) / 200
        messages = await thread.messages()
        await pool.close()
    first, last = rows[20] / 20, (rows[200] - rows[180]) / 20
    with capsys.disabled():
        print(
            f"\ncheckpoint bytes a turn ({kind}): rows {first:.0f} at first, {last:.0f} at last; on disk {disk:.0f}"
        )
    assert disk < most_bytes_a_turn
    assert last == pytest.approx(first, rel=0.2)
    assert sum(isinstance(m, HumanMessage) for m in messages) == 200
    assert sum(isinstance(m, AIMessage | ToolMessage) for m in messages) == (200 if kind == "text" else 600)


async def test_what_is_larger_than_the_socket_takes_at_once_is_written_too(thread: Thread) -> None:
    await thread.own("mine")
    saver = thread.saver("mine")
    written = await put(thread, saver)
    large = [("messages", "x" * 20_000_000)]
    await asyncio.wait_for(saver.aput_writes(written, large, "task"), DEADLINE_SECONDS)
    assert await rows(thread) == 2
