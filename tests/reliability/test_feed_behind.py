"""A subscriber that is ahead of its process: the layer is deaf, and its snapshot knew more than the topic."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio
from django.contrib.auth.models import User
from django.db import transaction

from chat import events, feed, groups, log, threads
from chat.db import in_thread
from chat.models import Event
from chat.replay import Frame
from tests.services.databases import Database


@pytest_asyncio.fixture
async def thread_id(database: Database) -> AsyncIterator[uuid.UUID]:
    yield (await in_thread(lambda: threads.create(User.objects.create(username="ada")))).id
    await feed.close()
    await groups.close()


async def write(thread_id: uuid.UUID, words: str) -> None:
    def record() -> None:
        with transaction.atomic():
            log.record(thread_id, [events.AssistantDelta(message_id="m", text=word) for word in words])

    await in_thread(record)


def text_of(frames: list[Frame]) -> str:
    return "".join(events.loads(frame.text)["text"] for frame in frames)


def follow(thread_id: uuid.UUID) -> tuple[feed.Topic, feed.Subscription]:
    topic = feed.Topic(thread_id)
    subscription = feed.Subscription(topic, lambda: None)
    topic.subscriptions.add(subscription)
    subscription.begin(0)
    return topic, subscription


async def read(topic: feed.Topic, known: int) -> None:
    """A look has found that the log has reached `known`, of which nothing was heard."""
    assert topic.look(known)
    assert topic._repair
    await topic._repair


async def test_what_a_snapshot_had_does_not_come_again_in_merged_frames(thread_id: uuid.UUID) -> None:
    topic, subscription = follow(thread_id)
    await write(thread_id, "abcdef")
    subscription.begin(3)  # a snapshot of the third event
    await read(topic, 6)
    assert text_of(await subscription.ready()) == "def"


async def test_what_was_queued_before_the_snapshot_came_does_not_come_again_either(
    thread_id: uuid.UUID,
) -> None:
    topic, subscription = follow(thread_id)
    await write(thread_id, "abcdef")
    await read(topic, 6)
    subscription.begin(3)
    assert text_of(await subscription.ready()) == "def"


async def test_a_late_delta_is_not_heard_behind_the_read_that_has_the_whole_answer(
    thread_id: uuid.UUID,
) -> None:
    topic, subscription = follow(thread_id)
    await write(thread_id, "abc")
    late = [events.frame(3, events.dumps({"type": "assistant_delta", "message_id": "m", "text": "c"}))]

    def complete() -> None:
        with transaction.atomic():
            Event.objects.filter(thread_id=thread_id).delete()
            log.record(thread_id, [events.Custom(name="whole", value="abc")])

    await in_thread(complete)
    await read(topic, 2)  # what a look found, a moment before the end
    topic.hear({"base": 2, "frames": late})
    assert [frame.seq for frame in await subscription.ready()] == [4]
