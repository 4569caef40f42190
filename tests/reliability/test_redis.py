"""Redis in mid-stream: flushed, paused, killed. Nobody misses anything, and the chat goes on meanwhile."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

from redis.asyncio import Redis

from tests.client import Person
from tests.conftest import StartServer, StartWorker
from tests.reliability.watching import Watcher, agree
from tests.services.databases import Database
from tests.services.redis import RedisServer
from tests.soak.figures import report

DOWN_SECONDS = 2.5


async def flushed(redis: RedisServer) -> None:
    async with Redis.from_url(redis.url) as client:
        await client.flushall()


async def paused(redis: RedisServer) -> None:
    redis.send_signal(signal.SIGSTOP)
    await asyncio.sleep(DOWN_SECONDS)  # the outage itself
    redis.send_signal(signal.SIGCONT)


async def killed(redis: RedisServer) -> None:
    redis.kill()
    await asyncio.sleep(DOWN_SECONDS)  # the outage itself
    await redis.start()


async def test_tabs_converge_from_the_log_whatever_happens_to_redis(
    server: StartServer,
    worker: StartWorker,
    redis_server: RedisServer,
    database: Database,
    ada: Person,
) -> None:
    env: dict[str, Any] = {
        "REDIS_URL": redis_server.url,
        "CHAT_WORKER": "external",
        "DEMO_TOKENS_PER_SECOND": "80",
    }
    webs = await asyncio.gather(server("daphne", **env), server("uvicorn", **env))
    await worker(**env)
    people = [ada.at(web.url) for web in webs]
    thread_id = await people[0].thread()
    watchers = [await Watcher(person, thread_id).connect() for person in people]
    figures = {}
    for trouble in (flushed, paused, killed):
        assert watchers[0].tab
        ack = await watchers[0].tab.say("count to 200")
        await watchers[0].tab.until("assistant_delta", run_id=ack["run_id"], seconds=30)
        began = asyncio.ensure_future(trouble(redis_server))
        # Meanwhile commands are answered, and what happens is seen.
        asked = time.monotonic()
        other = await Watcher(people[1], await people[1].thread()).connect()
        assert other.tab
        said = await other.tab.say("say: meanwhile", seconds=10)
        answered = time.monotonic() - asked
        await other.state_of(said["run_id"], seconds=15)
        figures[f"{trouble.__name__}_answer_seconds"] = time.monotonic() - asked
        assert answered < 5
        await other.drop()
        await began
        returned = time.monotonic()
        head = await head_of(people[0], thread_id)
        for watcher in watchers:
            assert watcher.tab
            await watcher.tab.reaches(head, seconds=5)
        figures[f"{trouble.__name__}_converged_seconds"] = time.monotonic() - returned
        for watcher in watchers:
            await watcher.state_of(ack["run_id"], seconds=30)
        await agree(watchers, people[1])
    assert [watcher.connections for watcher in watchers] == [1, 1]
    assert watchers[0].tab
    assert watchers[0].tab.state.texts[1::2] == [" ".join(str(number) for number in range(1, 201))] * 3
    report("Redis", **figures)


async def head_of(person: Person, thread_id: str) -> int:
    """The log's head as somebody finds it who comes now."""
    async with await person.ready(thread_id) as tab:
        return tab.state.seq
