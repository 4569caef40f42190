"""Several web processes and a worker of its own, with Redis between them: one site, whichever a tab reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest_asyncio
from redis.asyncio import Redis

from tests.client import Person
from tests.conftest import StartServer, StartWorker
from tests.services.databases import Database
from tests.services.redis import RedisServer
from tests.site import PACE, new_person


@dataclass
class Sites:
    """The same person at two web processes."""

    one: Person
    two: Person
    redis: RedisServer


@pytest_asyncio.fixture
async def sites(
    server: StartServer, worker: StartWorker, database: Database, redis_server: RedisServer
) -> AsyncIterator[Sites]:
    url = redis_server.url
    at_work = await worker(REDIS_URL=url, DEMO_TOKENS_PER_SECOND=PACE)
    one = await server("daphne", REDIS_URL=url, CHAT_WORKER="external")
    two = await server("uvicorn", REDIS_URL=url, CHAT_WORKER="external")
    ada = new_person(database, one.url)
    yield Sites(ada, ada.at(two.url), redis_server)
    for process in (at_work, one, two):
        assert "Traceback" not in process.log(), process.log()


async def test_a_tab_on_each_gets_the_same_events_and_each_can_stop_the_others_run(sites: Sites) -> None:
    thread_id = await sites.one.thread()
    async with await sites.one.ready(thread_id) as one, await sites.two.ready(thread_id) as two:
        assert (await one.hear("count to 200", seconds=30))["text"].endswith("200")
        await one.until("thread_updated")
        await two.reaches(one.state.seq)
        assert one.events == two.events
        ack = await one.say("count to 1500")
        await two.hears(" 20 ", ack["run_id"])
        assert (await two.ask("stop"))["run_ids"] == [ack["run_id"]]
        assert (await one.answer_of(ack["run_id"]))["status"] == "stopped"
        answer = await two.hear("paint a red boat in square format", seconds=30)
        assert len(answer["images"]) == 1
        await one.reaches(two.state.seq)
        assert one.state.shown() == two.state.shown() == (await sites.one.fresh(thread_id)).shown()
        numbers = [event["seq"] for event in one.events]
        assert numbers == list(range(1, len(numbers) + 1))
    await check_ready(sites)
    await check_without_redis(sites)


async def check_ready(sites: Sites) -> None:
    """Each web process finds the database, the channel layer and the worker."""
    for person in (sites.one, sites.two):
        async with httpx.AsyncClient(base_url=person.url, trust_env=False, timeout=15) as client:
            ready = await client.get("/readyz")
            assert ready.json() == {"database": True, "channel_layer": True, "worker": True}
            assert ready.status_code == 200


async def check_without_redis(sites: Sites) -> None:
    """Redis flushed, and then dead, in mid-answer: tabs come to the same from the log, and chat goes on."""
    thread_id = await sites.one.thread()
    async with await sites.one.ready(thread_id) as one, await sites.two.ready(thread_id) as two:
        ack = await one.say("count to 400")
        await two.hears(" 20 ", ack["run_id"])
        async with Redis.from_url(sites.redis.url) as client:
            await client.flushall()
        for tab in (one, two):
            assert (await tab.answer_of(ack["run_id"]))["text"].endswith("400")
        sites.redis.kill()
        ack = await one.say("count to 100")
        for tab in (one, two):
            assert (await tab.answer_of(ack["run_id"], seconds=20))["text"].endswith("100")
        await sites.redis.start()
        ack = await two.say("say: again")
        for tab in (one, two):
            assert (await tab.answer_of(ack["run_id"], seconds=20))["text"] == "again"
        last = max(one.state.seq, two.state.seq)
        await asyncio.gather(one.reaches(last), two.reaches(last))
        assert one.state.shown() == two.state.shown()
