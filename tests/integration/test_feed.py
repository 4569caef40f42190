"""The feed: in order and without a gap, whatever the channel layer does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import transaction

from chat import events, feed, groups, log, replay, threads
from chat.db import in_thread
from chat.models import Thread
from tests.services.databases import Database


@pytest.fixture
async def thread(database: Database) -> AsyncIterator[Thread]:
    user = await User.objects.acreate(username=f"u-{uuid.uuid4()}")
    yield await in_thread(threads.create, user)
    await log.close()
    await feed.close()
    await groups.close()


def write(thread: Thread, *texts: str) -> int:
    """Append events without anybody being told: what a channel layer that lost them leaves."""
    happened = [events.Custom(name="test", value=text) for text in texts]
    with transaction.atomic():
        part = log._Part(thread.id, None, log._encode(thread.id, None, happened, events.now()), [])
        with transaction.get_connection().cursor() as cursor:
            cursor.execute(log._APPEND, log._arguments([part]))
            return int(cursor.fetchone()[1])


async def group_message(thread: Thread, after: int, until: int) -> dict[str, object]:
    """What the group would have brought of these events."""
    found, _ = await replay.since(thread.id, after, until)
    texts = [frame.text for frame in found if frame.seq <= until]
    return {"thread_id": str(thread.id), "base": after, "frames": texts}


class Tab:
    """A subscriber that waits for what comes."""

    def __init__(self) -> None:
        self._is_ready = asyncio.Event()
        self.subscription: feed.Subscription

    @classmethod
    async def at(cls, thread: Thread, position: int = 0) -> Tab:
        tab = cls()
        tab.subscription = await feed.hub().subscribe(thread.id, tab._is_ready.set)
        tab.subscription.begin(position)
        return tab

    async def next(self) -> list[replay.Frame]:
        """The next frames; none where the thread is gone."""
        async with asyncio.timeout(10):
            while True:
                self._is_ready.clear()
                frames = await self.subscription.ready()
                if frames or self.subscription.ended:
                    return frames
                if not self.subscription.behind:
                    await self._is_ready.wait()

    async def take(self, count: int) -> list[str]:
        """The next `count` values."""
        found: list[str] = []
        numbers: list[int] = []
        while len(found) < count:
            for frame in await self.next():
                found.append(events.loads(frame.text)["value"])
                numbers.append(frame.seq)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        return found


async def test_a_gap_is_read_from_the_log(thread: Thread) -> None:
    tab = await Tab.at(thread)
    await in_thread(write, thread, "1", "2", "3", "4", "5")
    group = groups.thread(thread.id)
    groups.exchange().send(group, await group_message(thread, 4, 5))
    assert await tab.take(5) == ["1", "2", "3", "4", "5"]


async def test_messages_out_of_order_and_twice_come_once_and_in_order(thread: Thread) -> None:
    tab = await Tab.at(thread)
    await in_thread(write, thread, *map(str, range(1, 13)))
    pieces = [await group_message(thread, after, after + 3) for after in (0, 3, 6, 9)]
    for piece in (pieces[2], pieces[0], pieces[0], pieces[3], pieces[1], pieces[2]):
        groups.exchange().send(groups.thread(thread.id), piece)
    assert await tab.take(12) == list(map(str, range(1, 13)))


async def test_a_message_that_overlaps_what_was_seen_brings_only_the_rest(thread: Thread) -> None:
    tab = await Tab.at(thread)
    await in_thread(write, thread, *map(str, range(1, 7)))
    groups.exchange().send(groups.thread(thread.id), await group_message(thread, 0, 4))
    groups.exchange().send(groups.thread(thread.id), await group_message(thread, 2, 6))
    assert await tab.take(6) == list(map(str, range(1, 7)))


async def test_what_a_deaf_layer_does_not_bring_is_found(thread: Thread) -> None:
    tab = await Tab.at(thread)
    await in_thread(write, thread, "unheard")
    assert await tab.take(1) == ["unheard"]  # within the look's seconds, nothing was sent


async def test_a_slow_subscriber_loses_its_queue_and_no_event(thread: Thread) -> None:
    quick = await Tab.at(thread)
    slow = await Tab.at(thread)
    texts = [f"{number} {'x' * 10_000}" for number in range(60)]

    def record(some: list[str]) -> None:
        with transaction.atomic():
            log.record(thread.id, [events.Custom(name="test", value=text) for text in some])

    for at in range(0, 60, 5):
        await in_thread(record, texts[at : at + 5])
        assert await quick.take(5) == texts[at : at + 5]
    assert slow.subscription._queued < 2 * feed.QUEUE_CHARACTERS
    assert await slow.take(60) == texts
    await in_thread(record, ["last"])  # and it is live again
    assert await slow.take(1) == await quick.take(1) == ["last"]


async def test_who_begins_behind_goes_on_without_a_gap(thread: Thread) -> None:
    first = await Tab.at(thread)
    await in_thread(write, thread, "1", "2", "3")
    assert await first.take(3) == ["1", "2", "3"]
    late = await Tab.at(thread, 1)
    await in_thread(write, thread, "4")
    assert await late.take(3) == ["2", "3", "4"]


async def test_what_comes_between_subscribing_and_beginning_is_not_lost(thread: Thread) -> None:
    ready = asyncio.Event()
    subscription = await feed.hub().subscribe(thread.id, ready.set)
    await in_thread(write, thread, "1", "2", "3")
    groups.exchange().send(groups.thread(thread.id), await group_message(thread, 0, 3))
    subscription.begin(1)  # what was read had the first
    async with asyncio.timeout(10):
        await ready.wait()
    assert [frame.seq for frame in await subscription.ready()] == [2, 3]


async def test_a_thread_that_is_gone_ends_its_subscriptions_even_if_nobody_says_so(thread: Thread) -> None:
    tab = await Tab.at(thread)
    await Thread.objects.filter(id=thread.id).adelete()
    assert await tab.next() == []
    assert tab.subscription.ended


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Whoever asks the log within waits."""
    with psycopg.connect(database.url) as holder:
        holder.execute("LOCK TABLE chat_event")
        yield


async def who_waits(database: Database) -> int:
    """The connection that waits for the log, as soon as there is one."""
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(10):
        while not (found := await asyncio.to_thread(database.query, waits)):
            pass
    return int(found[0][0])


async def break_connection(database: Database, pid: int) -> None:
    await asyncio.to_thread(database.query, "SELECT pg_terminate_backend(%s, 5000)", pid)


async def behind(thread: Thread) -> feed.Subscription:
    """A place from which the next frames must be read from the log."""
    first = await Tab.at(thread)
    await in_thread(write, thread, "1", "2")
    assert await first.take(2) == ["1", "2"]
    return (await Tab.at(thread)).subscription


async def test_a_log_that_does_not_answer_is_asked_again(thread: Thread, database: Database) -> None:
    subscription = await behind(thread)
    with held(database):
        asked = asyncio.ensure_future(subscription.ready())
        await break_connection(database, await who_waits(database))
    assert await asked == []
    assert subscription.behind
    assert [frame.seq for frame in await subscription.ready()] == [1, 2]
    assert not subscription.behind


@pytest.mark.parametrize("is_pausing", [False, True])
async def test_nobody_waits_for_the_log_of_a_thread_that_ends(
    is_pausing: bool, thread: Thread, database: Database
) -> None:
    subscription = await behind(thread)
    with held(database):
        asked = asyncio.ensure_future(subscription.ready())
        reading = await who_waits(database)
        if not is_pausing:
            groups.exchange().send(groups.thread(thread.id), {"ended": True})
        await break_connection(database, reading)
        async with asyncio.timeout(feed.ASK_AGAIN_SECONDS / 2):
            if is_pausing:
                while subscription._pausing is None:
                    await asyncio.sleep(0)
                groups.exchange().send(groups.thread(thread.id), {"ended": True})
            assert await asked == []
    assert subscription.ended
    assert not subscription.behind


async def test_a_process_follows_a_thread_once_and_lets_go_at_the_end(thread: Thread) -> None:
    tabs = [await Tab.at(thread) for _ in range(3)]
    assert len({id(tab.subscription.topic) for tab in tabs}) == 1
    for tab in tabs:
        await feed.hub().unsubscribe(tab.subscription)
    assert feed.hub()._topics == {}
    assert feed.hub()._opening == {}
