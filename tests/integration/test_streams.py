"""Everybody who follows a thread comes to the same: who watched, who came back, who is new, by socket and by SSE."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.client import Person, Tab, is_event
from tests.site import Site
from tests.state import State


def check_same(*tabs: Tab) -> None:
    """Tabs that watched from the same moment on have the same events, byte for byte."""
    for tab in tabs[1:]:
        assert tab.events == tabs[0].events


async def test_two_tabs_and_a_reader_of_the_event_stream_get_the_same_events(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with (
        await ada.ready(thread_id) as one,
        await ada.ready(thread_id) as two,
        ada.stream(thread_id) as stream,
    ):
        heads = [await anext(stream) for _ in range(3)]
        assert [kind for _, kind, _ in heads] == ["hello", "snapshot", "caught_up"]
        assert [id_ for id_, _, _ in heads] == ["", "0", ""]
        await one.hear("count to 200")
        await one.until("thread_updated")  # the title, last of all
        await two.reaches(one.state.seq)
        check_same(one, two)
        read: list[dict[str, Any]] = []
        async with asyncio.timeout(10):
            while len(read) < len(one.events):
                id_, kind, data = await anext(stream)
                frame = json.loads(data)
                assert (id_, kind) == (str(frame["seq"]), frame["type"])
                read.append(frame)
        assert read == one.events
        assert one.state.shown() == two.state.shown() == (await ada.fresh(thread_id)).shown()


async def test_leaving_in_mid_answer_and_coming_back_ends_in_the_same_text(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    text = " ".join(str(number) for number in range(1, 201))
    async with await ada.ready(thread_id) as watching:
        leaving = await ada.ready(thread_id)
        ack = await watching.say("count to 200")
        await leaving.hears(" 20 ")
        leaving.vanish()
        await leaving.closed()
        state = leaving.state
        assert text.startswith(state.said)
        assert state.said != text
        await watching.hears(" 100 ")
        async with await ada.ready(thread_id, after=state.seq, state=state) as back:
            assert "snapshot" not in [frame["type"] for frame in back.frames]
            await back.answer_of(ack["run_id"])
            await watching.answer_of(ack["run_id"])
            fresh = await ada.settled(thread_id)
            for tab in (back, watching):
                await tab.reaches(fresh.seq)
                assert tab.state.texts == ["count to 200", text]
                assert tab.state.shown() == fresh.shown()


async def test_a_stream_of_server_sent_events_goes_on_from_the_last_event_id(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        await tab.hear("say: one")
    settled = await ada.settled(thread_id)
    async with ada.stream(thread_id, last_event_id=2) as stream:
        state = State.of(*[frame for frame in tab.events if frame["seq"] <= 2])
        kinds = []
        async for _, kind, data in stream:
            kinds.append(kind)
            state.apply(json.loads(data))
            if kind == "caught_up":
                break
    assert kinds[0] == "hello"
    assert "snapshot" not in kinds
    assert state.seq == settled.seq
    assert state.texts == settled.texts


@pytest.fixture
async def busy_thread(site: Site) -> tuple[Person, str, Tab]:
    """A thread with all that can be in it, and a tab that watched it from the beginning."""
    ada = await site.person()
    thread_id = await ada.thread()
    tab = await ada.ready(thread_id)
    await tab.hear("my name is Ada")
    await tab.hear("paint a red square boat in square format", seconds=30)
    stopped = await tab.say("count to 500")
    await tab.say("say: waiting")
    await tab.hears(" 9 ")
    await tab.ask("stop", run_id=stopped["run_id"])
    await tab.hear("make the background navy")
    await tab.hear("what is my name?", parent_id=tab.state.path[1])
    await tab.hear("say: on the branch")
    return ada, thread_id, tab


async def test_from_every_number_on_replay_and_watching_come_to_the_same(
    busy_thread: tuple[Person, str, Tab],
) -> None:
    ada, thread_id, tab = busy_thread
    # Of the thread as it stands, and once more while a run is at work.
    finished = await ada.settled(thread_id)
    await tab.reaches(finished.seq)
    assert tab.state.shown() == finished.shown()
    kinds = Counter(event["type"] for event in tab.events)
    assert {"branch_selected", "image_ready", "run_stopped", "tool_call_progress"} <= set(kinds)
    await check_every_number(ada, thread_id, tab, finished.seq)
    running = await tab.say("count to 1500")
    waiting = await tab.say("say: later")
    await tab.hears(" 20 ")
    await check_every_number(ada, thread_id, tab, tab.state.seq)
    await tab.ask("stop", run_id=running["run_id"])
    assert (await tab.answer_of(waiting["run_id"]))["text"] == "later"
    await tab.close()


async def check_every_number(ada: Person, thread_id: str, tab: Tab, last: int) -> None:
    before = State()
    before.apply(tab.frames[1])
    states = {0: before}
    for event in tab.events:
        if event["seq"] <= last:
            before = before.copy()
            before.apply(event)
            states[event["seq"]] = before
    # Each number whose event is not alike its neighbours, and of the long rows of deltas some.
    numbers = [seq for seq in states if seq % 5 == 0 or seq in (1, last)]
    for at in range(0, len(numbers), 16):
        await asyncio.gather(
            *(check_number(ada, thread_id, tab, states[seq]) for seq in numbers[at : at + 16])
        )
    assert len(numbers) > 10


async def check_number(ada: Person, thread_id: str, tab: Tab, state: State) -> None:
    after = state.seq
    async with await ada.ready(thread_id, after=after, state=state.copy()) as replayed:
        await tab.reaches(replayed.state.seq)
        watched = State()
        for frame in tab.frames:
            if not is_event(frame) or frame["seq"] <= replayed.state.seq:
                watched.apply(frame)
        # What went on meanwhile has come to both, but not for both to the same number.
        assert replayed.state.seq == watched.seq, after
        assert replayed.state.shown() == watched.shown(), after


async def test_a_snapshot_in_mid_run_is_what_a_watcher_has_at_that_number(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        ack = await tab.say("paint a green square hill in square format")
        second = await tab.say("say: queued")
        snapshots = []
        while ack["run_id"] in [run["id"] for run in tab.state.unfinished()]:
            async with await ada.ready(thread_id) as fresh:
                snapshots.append(fresh.frames[1])
        await tab.answer_of(second["run_id"])
        await ada.settled(thread_id)
        assert len(snapshots) > 5
        for snapshot in snapshots:
            await tab.reaches(snapshot["seq"])
            watched = State()
            for frame in tab.frames:
                if not is_event(frame) or frame["seq"] <= snapshot["seq"]:
                    watched.apply(frame)
            assert State.of(snapshot).shown() == watched.shown()


async def test_a_finished_turn_leaves_a_handful_of_events_whatever_its_length(
    site: Site, ada: Person
) -> None:
    kept = {}
    for numbers in (3, 300):
        thread_id = await ada.thread()
        async with await ada.ready(thread_id) as tab:
            await tab.hear(f"count to {numbers}")
            assert len(tab.events) > (40 if numbers == 300 else 0)
        await ada.settled(thread_id)
        kept[numbers] = len(site.events(thread_id))
    assert kept[300] == kept[3] <= 10


async def test_a_title_reaches_every_tab_and_the_list(any_site: Site) -> None:
    ada = await any_site.person()
    async with await ada.list() as listing:
        assert (await listing.until("threads"))["threads"] == []
        thread_id = await ada.thread()
        entry = (await listing.until("thread_changed"))["thread"]
        assert (entry["id"], entry["running"], entry["title"]) == (thread_id, False, "")
        async with await ada.ready(thread_id) as one, await ada.ready(thread_id) as two:
            await one.hear("tell me about the sea")
            for tab in (one, two):
                title = (await tab.until("thread_updated"))["thread"]["title"]
                assert title
            running = await listing.where(lambda frame: frame["thread"]["running"])
            assert running["type"] == "thread_changed"
            named = await listing.where(lambda frame: frame["thread"]["title"] == title)
            assert named["thread"]["running"] is False
        assert (await ada.http.delete(f"/threads/{thread_id}")).status_code == 204
        assert await listing.until("thread_removed") == {"type": "thread_removed", "thread_id": thread_id}


async def test_the_title_stays_that_a_person_gave(ada: Person) -> None:
    thread_id = await ada.thread(title="Mine")
    async with await ada.ready(thread_id) as tab:
        await tab.hear("say: one")
        await tab.hear("say: two")
        assert "thread_updated" not in [event["type"] for event in tab.events]


async def test_a_thread_that_is_deleted_ends_its_sockets_and_streams(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab, ada.stream(thread_id) as stream:
        await tab.say("count to 1500")
        await tab.until("assistant_delta")
        assert (await ada.http.delete(f"/threads/{thread_id}")).status_code == 204
        assert await tab.closed() == 4404
        async with asyncio.timeout(10):
            async for _ in stream:
                pass
    tables = (
        "chat_message",
        "chat_run",
        "chat_event",
        "checkpoints",
        "checkpoint_writes",
        "checkpoint_blobs",
    )
    for table in tables:
        sql = f"SELECT count(*) FROM {table} WHERE thread_id::text = %s"
        assert any_site.database.query(sql, thread_id) == [(0,)], table


async def test_the_event_stream_is_its_owners_only(any_site: Site) -> None:
    ada, grace = await any_site.person(), await any_site.person()
    path = f"/threads/{await ada.thread()}/events"
    for person, headers, status, code in (
        (grace, {}, 404, "not_found"),
        (ada, {"Authorization": "Bearer bd_wrong"}, 401, "not_signed_in"),
        (ada, {"Authorization": ""}, 401, "not_signed_in"),
    ):
        answer = await person.http.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await ada.http.get(f"/threads/{uuid.uuid4()}/events")).json()["code"] == "not_found"
