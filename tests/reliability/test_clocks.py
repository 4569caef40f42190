"""Clocks that disagree or step: what must not depend on them does not."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest_asyncio
from django.contrib.auth.models import User
from django.utils import timezone
from psycopg.types.json import Jsonb

from chat import commands, db, runs, threads
from chat.agent import checkpoints
from chat.db import in_thread
from chat.models import Message, Run, Thread, ToolCall
from tests.client import Person
from tests.conftest import StartServer
from tests.reliability.conftest import StartDoomed
from tests.reliability.test_kills import stuck
from tests.reliability.watching import Watcher, agree, until
from tests.services.databases import Database
from tests.soak.figures import report


@pytest_asyncio.fixture
async def thread(database: Database) -> Thread:
    def make() -> Thread:
        return threads.create(User.objects.create(username="ada"))

    return await in_thread(make)


@pytest_asyncio.fixture
async def pool(database: Database) -> AsyncIterator[checkpoints.Pool]:
    async with checkpoints.open_pool(database.url) as pool:
        yield pool


async def test_a_run_whose_tool_began_later_than_now_can_be_stopped(thread: Thread) -> None:
    def stop() -> tuple[str, int | None, int | None]:
        said = commands.SendMessage(id="1", text="paint")
        run_id = uuid.UUID(runs.honour(thread.owner, thread.id, said)["run_id"])
        claim = runs.claim(run_id, "here")
        assert claim
        later = timezone.now() + timedelta(hours=1)
        ToolCall.objects.create(
            run_id=run_id, message_id=claim.answer_id, tool_call_id="c", name="paint", started_at=later
        )
        Run.objects.filter(id=run_id).update(started_at=later)
        runs.honour(thread.owner, thread.id, commands.Stop(id="2"))
        run = Run.objects.get(id=run_id)
        return run.status, run.elapsed_ms, ToolCall.objects.get().duration_ms

    assert await in_thread(stop) == ("stopped", 0, 0)


async def test_runs_come_in_the_order_in_which_they_were_asked_for_whatever_the_clock_said(
    thread: Thread,
) -> None:
    def order() -> list[bool]:
        asked = [
            runs.honour(thread.owner, thread.id, commands.SendMessage(id=str(n), text=str(n)))
            for n in range(3)
        ]
        ids = [uuid.UUID(answer["run_id"]) for answer in asked]
        for hours, (id_, answer) in enumerate(zip(ids, asked, strict=True)):
            earlier = timezone.now() - timedelta(hours=hours)
            Run.objects.filter(id=id_).update(created_at=earlier)
            Message.objects.filter(id=answer["message_id"]).update(created_at=earlier)
        return [runs.claim(id_, "here") is not None for id_ in reversed(ids)]

    assert await in_thread(order) == [False, False, True]


async def test_a_takeover_goes_on_from_the_last_step_though_its_clock_was_behind(
    database: Database, pool: checkpoints.Pool
) -> None:
    # The ids are made of the time: the third step was written by a worker whose clock was behind.
    for step, checkpoint_id in ((0, "1f0-b"), (1, "1f0-c"), (2, "1f0-a")):
        with psycopg.connect(database.url) as connection:
            connection.execute(
                "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint, metadata)"
                " VALUES ('t', '', %s, %s, %s)",
                (checkpoint_id, Jsonb({}), Jsonb({"run_id": "r", "step": step})),
            )
    saver = checkpoints.FencedSaver(pool, None)
    assert await saver.last_of("t", "r") == "1f0-a"
    await db.close()


async def test_clocks_that_step_in_mid_run_lose_and_mix_and_hold_up_nothing(
    server: StartServer, doomed: StartDoomed, redis_url: str, database: Database, ada: Person
) -> None:
    env: dict[str, Any] = {
        "REDIS_URL": redis_url,
        "CHAT_WORKER": "external",
        "DEMO_TOKENS_PER_SECOND": "80",
    }
    webs = [doomed("daphne", "ack-before:back", **env), doomed("uvicorn", "ack-before:forward", **env)]
    steady = ada.at((await server("uvicorn", **env)).url)
    people = [steady, *(ada.at(web.url) for web in webs)]
    rescuer = doomed("worker", "rescue-in:back", **env)
    await rescuer.acted()
    (rescuer_pid,) = rescuer.pids()
    os.kill(rescuer_pid, signal.SIGSTOP)  # so that each of the others gets one of the runs
    workers = doomed("worker", "token@4:forward", "token@4:back", CHAT_CONCURRENCY="1", **env)
    threads_of = [
        [await Watcher(person, thread_id).connect(seconds=40) for person in people]
        for thread_id in (await steady.thread(), await steady.thread())
    ]
    acks = []
    for place, watchers in enumerate(threads_of):
        for text, at in (("count to 230", place + 1), ("say: next", 2 - place)):
            tab = watchers[at].tab
            assert tab
            acks.append(await tab.say(text))
    await workers.acted()
    os.kill(rescuer_pid, signal.SIGCONT)
    for pid in workers.pids():
        os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    await until(
        lambda: all(told(watcher, "run_recovered") for watchers in threads_of for watcher in watchers),
        "takeover of both runs, told in every tab",
        seconds=20,
    )
    recovered_seconds = time.monotonic() - killed_at
    for watchers, asked in zip(threads_of, (acks[:2], acks[2:]), strict=True):
        for ack in asked:
            await watchers[0].state_of(ack["run_id"])
    for watchers in threads_of:
        await agree(watchers, steady)
        assert [watcher.connections for watcher in watchers] == [1, 1, 1]
        for watcher in watchers:
            assert watcher.tab
            count = " ".join(str(number) for number in range(1, 231))
            assert watcher.tab.state.texts == ["count to 230", count, "say: next", "next"]
        said_at = [datetime.fromisoformat(event["at"]) for event in watchers[0].events]
        assert max(said_at) - min(said_at) > timedelta(minutes=59)
    assert stuck(database) == 0
    report("clocks that step by an hour", stepped=len(webs) + 3, told_in_every_tab_seconds=recovered_seconds)
    assert recovered_seconds < 10


def told(watcher: Watcher, kind: str) -> bool:
    return any(event["type"] == kind for event in watcher.events)
