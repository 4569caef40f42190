"""One process is complete, and may die at any moment: what was acknowledged goes on by itself."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.client import Person, Tab
from tests.conftest import StartServer
from tests.deaf import Deaf
from tests.reliability.watching import until
from tests.services.app import Kind
from tests.services.databases import Database
from tests.site import PACE, new_person, outcomes
from tests.state import State

KINDS: tuple[Kind, ...] = ("daphne", "uvicorn")
TAKEOVER_SECONDS = 12.0
STOP_SECONDS = 8.0
"""Far less than the grace that uvicorn is given: what it waits for must not be waited for."""
LONG = 600_000
"""So many letters are more than the kernel takes for a client that does not read, and less than a frame may have."""
COUNTED = " ".join(map(str, range(1, 301)))


async def ended(ada: Person, thread_id: str, run_id: str) -> Tab:
    """A tab that has seen the end of the run, and its title."""
    tab = await ada.ready(thread_id)
    await tab.holds(
        lambda state: run_id not in [run["id"] for run in state.unfinished()],
        "the end of the run",
        seconds=TAKEOVER_SECONDS + 15,
    )
    await tab.holds(lambda state: bool(state.thread and state.thread["title"]), "a title")
    return tab


async def lost(tab: Tab) -> State:
    """What a tab had seen when its server went."""
    await tab.closed()
    return tab.state


async def check_goes_on(ada: Person, thread_id: str, run_id: str, seen: State) -> Tab:
    """Who comes back with what it had seen, and who is new, show the same finished thread."""
    fresh = await ended(ada, thread_id, run_id)
    async with await ada.ready(thread_id, after=seen.seq, state=seen) as back:
        assert "snapshot" not in [frame["type"] for frame in back.frames]
        await back.reaches(fresh.state.seq)
        assert back.state.shown() == fresh.state.shown()
        told = [event["type"] for event in back.events]
        assert "run_recovered" in told
        assert back.state.runs[run_id]["attempt"] == 2
    return fresh


async def test_killed_in_mid_text_and_in_mid_painting_all_is_finished_by_whoever_starts_next(
    server: StartServer, database: Database
) -> None:
    web = await server(DEMO_TOKENS_PER_SECOND=PACE)
    ada = new_person(database, web.url)
    writing, painting = await ada.thread(), await ada.thread()
    text, picture = await ada.ready(writing), await ada.ready(painting)
    paint = await picture.say("paint a red fox at sunset")
    await picture.until("tool_call_started", seconds=30)
    count = await text.say("count to 300")
    waiting = await text.say("say: and then")
    await text.hears(" 40 ")
    await picture.until("tool_call_progress", seconds=30)
    web.kill()
    seen = await lost(text)
    seen_picture = await lost(picture)
    assert COUNTED.startswith(seen.said)
    await web.start()
    async with await ada.ready(writing, after=seen.seq, state=seen) as back:
        await back.until("run_recovered", run_id=count["run_id"], seconds=TAKEOVER_SECONDS)
        assert (await back.answer_of(count["run_id"]))["text"] == COUNTED
        assert (await back.answer_of(waiting["run_id"]))["text"] == "and then"
        settled = await ada.settled(writing)
        await back.reaches(settled.seq)
        assert back.state.shown() == settled.shown()
        assert settled.texts == ["count to 300", COUNTED, "say: and then", "and then"]
    async with await check_goes_on(ada, painting, paint["run_id"], seen_picture) as fresh:
        (call,) = fresh.state.last["tool_calls"]
        assert call["status"] == "succeeded"
        (image,) = fresh.state.last["images"]
        assert fresh.state.last["text"].count("I will paint") == 1
        assert fresh.state.last["text"].count("There it is") == 1
    assert [one["id"] for one in (await ada.http.get("/images")).json()["images"]] == [image["id"]]
    assert database.query("SELECT count(*) FROM chat_event WHERE type = 'image_ready'") == [(1,)]
    assert database.query("SELECT count(*) FROM chat_run WHERE status = 'running'") == [(0,)]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_told_to_stop_says_so_and_hands_its_runs_over(
    server: StartServer, database: Database, kind: Kind
) -> None:
    web = await server(kind, DEMO_TOKENS_PER_SECOND=PACE)
    ada = new_person(database, web.url)
    thread_id = await ada.thread()
    tab = await ada.ready(thread_id)
    async with ada.stream(thread_id) as stream:
        ack = await tab.say("count to 300")
        await tab.hears(" 40 ")
        stopping = asyncio.create_task(web.stopped(STOP_SECONDS))
        assert await tab.closed() == 1012
        async with asyncio.timeout(STOP_SECONDS):
            async for _ in stream:  # to its end, which is in order
                pass
    assert await stopping in (0, -signal.SIGTERM)
    assert "Traceback" not in web.log(), web.log()
    assert outcomes(database, ack["run_id"]) == ["handed_over"]
    await web.start()
    fresh = await check_goes_on(ada, thread_id, ack["run_id"], tab.state)
    assert fresh.state.texts == ["count to 300", COUNTED]
    await fresh.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_socket_that_does_not_read_keeps_no_run_from_being_handed_over(
    server: StartServer, database: Database, kind: Kind
) -> None:
    web = await server(kind, DEMO_TOKENS_PER_SECOND=PACE)
    ada = new_person(database, web.url)
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as long:
        await long.hear("say: something long")
    database.query("UPDATE chat_message SET text = repeat('x', %s) WHERE role = 'assistant'", LONG)
    deaf = Deaf(ada, web.port, thread_id)
    tab = await ada.ready(await ada.thread())
    run_id = (await tab.say("count to 1500"))["run_id"]
    await tab.hears(" 40 ")
    stopping = asyncio.create_task(web.stopped(20))
    assert await tab.closed() == 1012
    await until(lambda: outcomes(database, run_id) == ["handed_over"], "hand-over", seconds=STOP_SECONDS)
    assert await stopping in (0, -signal.SIGTERM)
    deaf.socket.close()


async def test_a_run_whose_worker_hangs_is_taken_over_and_the_old_one_does_no_harm(
    server: StartServer, database: Database, redis_url: str
) -> None:
    hung = await server(REDIS_URL=redis_url, DEMO_TOKENS_PER_SECOND=PACE)
    ada = new_person(database, hung.url)
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        ack = await tab.say("count to 300")
        await tab.hears(" 40 ")
        seen = tab.state
    hung.send_signal(signal.SIGSTOP)
    try:
        other = await server(REDIS_URL=redis_url, DEMO_TOKENS_PER_SECOND=PACE)
        there = ada.at(other.url)
        fresh = await check_goes_on(there, thread_id, ack["run_id"], seen)
        assert fresh.state.texts == ["count to 300", COUNTED]
    finally:
        hung.send_signal(signal.SIGCONT)
    # It wakes up in the middle of its answer, and everybody still shows the same.
    async with await ada.ready(thread_id) as woken:
        assert (await woken.hear("say: next", seconds=20))["text"] == "next"
        await fresh.reaches(woken.state.seq)
        assert fresh.state.texts == ["count to 300", COUNTED, "say: next", "next"]
    await fresh.close()
