"""The log: numbers without holes, and a fence that lets nothing of a lost run through."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from chat import commands, effects, events, log, runs, threads
from chat.agent import checkpoints
from chat.agent.painter import Picture
from chat.db import in_thread
from chat.errors import RunLost
from chat.execution import _FENCE
from chat.log import Fence
from chat.models import Event, Image, Message, Run, Thread, ToolCall
from project import postgres
from tests.fakes.replies import png
from tests.services.databases import Database

pytestmark = pytest.mark.usefixtures("database")


def said(text: str) -> list[events.Event]:
    return [events.AssistantDelta(message_id="m", text=text)]


async def owner() -> User:
    return await User.objects.acreate(username=f"u-{uuid.uuid4()}")


async def a_thread(user: User) -> Thread:
    return await in_thread(threads.create, user)


async def begun(user: User, thread: Thread) -> runs.Claim:
    """A run that a worker has claimed."""
    command = commands.SendMessage(id=str(uuid.uuid4()), text="hello")
    ack = await in_thread(runs.honour, user, thread.id, command)
    claim = await in_thread(runs.claim, uuid.UUID(ack["run_id"]), "one")
    assert claim is not None
    return claim


def rows_of(thread: Thread) -> list[tuple[int, str, str]]:
    return list(Event.objects.filter(thread=thread).order_by("seq").values_list("seq", "type", "body"))


# The fence


async def test_of_two_claims_of_one_run_the_later_goes_on_and_the_earlier_writes_nothing() -> None:
    user = await owner()
    thread = await a_thread(user)
    first = await begun(user, thread)
    second = await in_thread(runs.claim, first.run_id, "two")
    assert second is not None
    assert (first.fence.attempt, second.fence.attempt, second.again) == (1, 2, True)
    before = await in_thread(rows_of, thread)
    assert before[-1][1] == "run_recovered"

    call: dict[str, Any] = {
        "id": "c", "run_id": str(first.run_id), "message_id": str(first.answer_id), "name": "paint", "args": {},
        "status": "running", "progress": None, "text": "", "preview_url": None, "result": None, "error": None,
        "text_offset": 0, "started_at": "2026-01-01T00:00:00Z", "duration_ms": None,
    }  # fmt: skip
    started = events.ToolCallStarted.model_validate({"tool_call": call})
    ending = runs.Ending(text="mine", reasoning="")
    world = effects.RunEffects(first)
    picture = Picture(data=png(64, 64, (1, 2, 3)), mime="image/png", width=64, height=64, revised_prompt=None)

    def record() -> None:
        with transaction.atomic():
            log.record(thread.id, said("lost"), run_id=first.run_id, fence=first.fence)

    attempts: list[Any] = [
        log.append(thread.id, first.fence, said("lost")),
        in_thread(record),
        in_thread(runs.restart, first, "lost", ""),
        in_thread(runs.note_tool_call, first, started.tool_call, [started]),
        in_thread(runs.complete, first, ending),
        in_thread(runs.fail, first, ending),
        world.save_image("c", "a fox", picture, as_background=True),
        world.set_background({"kind": "color", "value": "navy"}),
    ]
    for attempt in attempts:
        with pytest.raises(RunLost):
            await attempt
    assert await in_thread(rows_of, thread) == before
    assert await ToolCall.objects.acount() == await Image.objects.acount() == 0
    await thread.arefresh_from_db()
    assert thread.background is None

    seq = await log.append(thread.id, second.fence, said("mine"))
    assert seq == before[-1][0] + 1
    await in_thread(runs.complete, second, runs.Ending(text="mine", reasoning=""))
    assert (await Message.objects.aget(id=first.answer_id)).text == "mine"


async def test_a_stopped_run_writes_nothing_more() -> None:
    user = await owner()
    thread = await a_thread(user)
    claim = await begun(user, thread)
    await log.append(thread.id, claim.fence, said("one"))
    await in_thread(runs.honour, user, thread.id, commands.Stop(id="s"))
    before = await in_thread(rows_of, thread)
    with pytest.raises(RunLost):
        await log.append(thread.id, claim.fence, said("two"))
    with pytest.raises(RunLost):
        await in_thread(runs.complete, claim, runs.Ending(text="one two", reasoning=""))
    assert await in_thread(rows_of, thread) == before
    assert (await Run.objects.aget(id=claim.run_id)).status == "stopped"


async def test_a_lost_run_writes_no_checkpoint(database: Database) -> None:
    user = await owner()
    thread = await a_thread(user)
    claim = await begun(user, thread)
    pool = checkpoints.open_pool(await in_thread(postgres.conninfo))
    await pool.open()
    try:
        fence = checkpoints.Fence(_FENCE, (thread.id, claim.fence.run_id, claim.fence.attempt))
        saver = checkpoints.FencedSaver(pool, fence)
        config: Any = {"configurable": {"thread_id": str(thread.id), "checkpoint_ns": ""}}
        checkpoint: Any = {
            "v": 4, "id": str(uuid.uuid4()), "ts": "",
            "channel_values": {}, "channel_versions": {}, "versions_seen": {},
        }  # fmt: skip
        await saver.aput(config, checkpoint, {}, {})
        assert database.query("SELECT count(*) FROM checkpoints") == [(1,)]
        await in_thread(runs.claim, claim.run_id, "two")
        with pytest.raises(RunLost):
            await saver.aput(config, checkpoint | {"id": str(uuid.uuid4())}, {}, {})
        assert database.query("SELECT count(*) FROM checkpoints") == [(1,)]
    finally:
        await pool.close()


async def test_only_the_first_unfinished_run_of_a_thread_can_be_claimed() -> None:
    user = await owner()
    thread = await a_thread(user)
    claim = await begun(user, thread)
    ack = await in_thread(runs.honour, user, thread.id, commands.SendMessage(id="2", text="second"))
    assert await in_thread(runs.claim, uuid.UUID(ack["run_id"]), "two") is None
    await in_thread(runs.complete, claim, runs.Ending(text="done", reasoning=""))
    assert await in_thread(runs.claim, claim.run_id, "two") is None  # it has ended
    assert await in_thread(runs.claim, uuid.UUID(ack["run_id"]), "two") is not None


# The numbers


async def test_many_writers_of_many_threads_leave_numbers_without_holes() -> None:
    user = await owner()
    everyone = [await a_thread(user) for _ in range(6)]
    claims = [await begun(user, thread) for thread in everyone]

    async def stream(claim: runs.Claim) -> None:
        for number in range(40):
            await log.append(claim.thread_id, claim.fence, said(f"{number} "))

    async def rename(thread: Thread) -> None:
        def once(number: int) -> None:
            with transaction.atomic():
                threads.rename(threads.lock(user, thread.id), f"name {number}")

        for number in range(10):
            await in_thread(once, number)

    async with asyncio.timeout(30):
        await asyncio.gather(*map(stream, claims), *map(rename, everyone), *map(rename, everyone))
    for thread in everyone:
        rows = await in_thread(rows_of, thread)
        await thread.arefresh_from_db()
        assert [seq for seq, _, _ in rows] == list(range(1, thread.last_seq + 1))
        texts = [events.loads(body)["text"] for _, kind, body in rows if kind == "assistant_delta"]
        assert texts == [f"{number} " for number in range(40)]
        assert len([kind for _, kind, _ in rows if kind == "thread_updated"]) == 20


async def test_two_processes_writers_do_not_wait_for_each_other_in_a_circle() -> None:
    """Two writers with the same threads in different orders: what would deadlock without an order of the locks."""
    user = await owner()
    claims = [await begun(user, await a_thread(user)) for _ in range(8)]

    async def batches(order: list[runs.Claim]) -> None:
        writer = log._Writer()
        for number in range(25):
            await asyncio.gather(*(writer.submit(c.thread_id, c.fence, said(str(number))) for c in order))
        await writer.close()

    async with asyncio.timeout(30):
        await asyncio.gather(batches(claims), batches(claims[::-1]), batches(claims[4:] + claims[:4]))
    for claim in claims:
        rows = await in_thread(rows_of, await Thread.objects.aget(id=claim.thread_id))
        assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
        assert len([kind for _, kind, _ in rows if kind == "assistant_delta"]) == 75


async def test_a_text_that_postgres_refuses_fails_alone() -> None:
    user = await owner()
    good, bad = [await begun(user, await a_thread(user)) for _ in range(2)]
    lost = Fence(good.run_id, 99)
    other = await begun(user, await a_thread(user))
    # Longer than the column of the types: this is what Postgres refuses.
    too_long: Any = "x" * 99
    refused = events.AssistantDelta.model_construct(type=too_long, message_id="m", text="")
    appended = [
        log.append(good.thread_id, good.fence, said("good")),
        log.append(bad.thread_id, bad.fence, [refused]),
        log.append(other.thread_id, lost, said("lost")),
    ]
    done = await asyncio.gather(*appended, return_exceptions=True)
    assert isinstance(done[0], int)
    assert isinstance(done[1], Exception)
    assert not isinstance(done[1], RunLost)
    assert isinstance(done[2], RunLost)
    assert isinstance(await log.append(bad.thread_id, bad.fence, said("better")), int)


async def test_what_was_not_committed_is_not_sent() -> None:
    user = await owner()
    thread = await a_thread(user)

    def refused() -> None:
        with transaction.atomic():
            threads.rename(threads.lock(user, thread.id), "never")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        await in_thread(refused)
    assert await in_thread(rows_of, thread) == []
    await thread.arefresh_from_db()
    assert (thread.title, thread.last_seq) == ("", 0)
