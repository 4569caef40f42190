"""The feed: in order and without a gap, whatever the channel layer does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from chat import events, feed, groups, log, threads
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
    found, _ = await log.since(thread.id, after, until)
    return {"thread_id": str(thread.id), "base": after, "frames": [frame.text for frame in found]}


async def take(subscription: feed.Subscription, count: int) -> list[str]:
    """The next `count` values."""
    found: list[str] = []
    numbers: list[int] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            for frame in await subscription.next():
                found.append(events.loads(frame.text)["value"])
                numbers.append(frame.seq)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return found


async def test_a_gap_is_read_from_the_log(thread: Thread) -> None:
    subscription = await feed.hub().subscribe(thread.id, 0)
    await in_thread(write, thread, "1", "2", "3", "4", "5")
    group = groups.thread(thread.id)
    groups.exchange().send(group, await group_message(thread, 4, 5))
    assert await take(subscription, 5) == ["1", "2", "3", "4", "5"]


async def test_messages_out_of_order_and_twice_come_once_and_in_order(thread: Thread) -> None:
    subscription = await feed.hub().subscribe(thread.id, 0)
    await in_thread(write, thread, *map(str, range(1, 13)))
    pieces = [await group_message(thread, after, after + 3) for after in (0, 3, 6, 9)]
    for piece in (pieces[2], pieces[0], pieces[0], pieces[3], pieces[1], pieces[2]):
        groups.exchange().send(groups.thread(thread.id), piece)
    assert await take(subscription, 12) == list(map(str, range(1, 13)))


async def test_a_message_that_overlaps_what_was_seen_brings_only_the_rest(thread: Thread) -> None:
    subscription = await feed.hub().subscribe(thread.id, 0)
    await in_thread(write, thread, *map(str, range(1, 7)))
    groups.exchange().send(groups.thread(thread.id), await group_message(thread, 0, 4))
    groups.exchange().send(groups.thread(thread.id), await group_message(thread, 2, 6))
    assert await take(subscription, 6) == list(map(str, range(1, 7)))


async def test_what_a_deaf_layer_does_not_bring_is_found(thread: Thread) -> None:
    subscription = await feed.hub().subscribe(thread.id, 0)
    await in_thread(write, thread, "unheard")
    assert await take(subscription, 1) == ["unheard"]  # within the look's seconds, nothing was sent


async def test_a_slow_subscriber_loses_its_queue_and_no_event(thread: Thread) -> None:
    quick = await feed.hub().subscribe(thread.id, 0)
    slow = await feed.hub().subscribe(thread.id, 0)
    texts = [f"{number} {'x' * 10_000}" for number in range(60)]

    def record(some: list[str]) -> None:
        with transaction.atomic():
            log.record(thread.id, [events.Custom(name="test", value=text) for text in some])

    for at in range(0, 60, 5):
        await in_thread(record, texts[at : at + 5])
        assert await take(quick, 5) == texts[at : at + 5]
    assert slow._queued < 2 * feed.QUEUE_CHARACTERS
    assert await take(slow, 60) == texts
    await in_thread(record, ["last"])  # and it is live again
    assert await take(slow, 1) == await take(quick, 1) == ["last"]


async def test_who_begins_behind_goes_on_without_a_gap(thread: Thread) -> None:
    first = await feed.hub().subscribe(thread.id, 0)
    await in_thread(write, thread, "1", "2", "3")
    assert await take(first, 3) == ["1", "2", "3"]
    late = await feed.hub().subscribe(thread.id, 1)
    await in_thread(write, thread, "4")
    assert await take(late, 3) == ["2", "3", "4"]


async def test_a_thread_that_is_gone_ends_its_subscriptions_even_if_nobody_says_so(thread: Thread) -> None:
    subscription = await feed.hub().subscribe(thread.id, 0)
    await Thread.objects.filter(id=thread.id).adelete()
    async with asyncio.timeout(10):
        assert await subscription.next() == []
    assert subscription.ended


async def test_a_process_follows_a_thread_once_and_lets_go_at_the_end(thread: Thread) -> None:
    tabs = [await feed.hub().subscribe(thread.id, 0) for _ in range(3)]
    assert len({id(tab.topic) for tab in tabs}) == 1
    for tab in tabs:
        await feed.hub().unsubscribe(tab)
    assert feed.hub()._topics == {}
    assert feed.hub()._opening == {}
