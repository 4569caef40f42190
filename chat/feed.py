"""One ordered, gapless stream of a thread's events for each subscriber, behind every transport.

A process follows a thread once, whatever its number of tabs: its Topic hears the group, puts what it hears in order,
and reads from the log what it did not hear. A Subscription is one tab's place in that stream. It holds a bounded queue;
a tab that is slower than its thread loses the queue, not events, and goes on from the log.

The channel layer is only a way of hearing sooner. Every LOOK_SECONDS the heads of all followed threads are compared
with the log in one query: what a deaf, flushed or dead layer did not bring is found then, and the groups are joined
again. While that lasts the look is taken every DEAF_LOOK_SECONDS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from chat import db, groups, replay
from chat.replay import Frame

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
DEAF_LOOK_SECONDS = 0.25
DEAF_FOR_SECONDS = 10.0
ASK_AGAIN_SECONDS = 1.0
"""A log that did not answer is asked again after so long."""
QUEUE_CHARACTERS = 256 * 1024


class Topic:
    """A thread as one process follows it: everything up to `head` was handed to the subscriptions.

    It has no head until its first subscription says where it begins.
    """

    def __init__(self, thread_id: UUID) -> None:
        self.thread_id = thread_id
        self.head: int | None = None
        self.subscriptions: set[Subscription] = set()
        self._known = 0
        self._repair: asyncio.Task[None] | None = None

    def hear(self, message: dict[str, Any]) -> None:
        """What the group brought: frames numbered from `base` + 1 on, or that the thread ended."""
        if message.get("ended"):
            for subscription in self.subscriptions:
                subscription.end()
            return
        base: int = message["base"]
        texts: list[str] = message["frames"]
        last = base + len(texts)
        head = self.head
        if head is None or base > head or self._repair is not None:
            self.look(last)
        elif last > head:
            new = [Frame(base + place, text) for place, text in enumerate(texts, 1) if base + place > head]
            self._hand_on(new, last)

    def begin(self, position: int) -> None:
        """A subscription begins here, a number that the log has reached: where it is the first, so does the topic."""
        if self.head is None:
            self.head = position
            self.look(position)

    def look(self, known: int) -> bool:
        """The log has reached `known`: read what was not heard. Says whether something was missing."""
        self._known = max(self._known, known)
        if self.head is None or self._known <= self.head:
            return False
        if self._repair is None:
            self._repair = asyncio.get_running_loop().create_task(self._read())
        return True

    async def _read(self) -> None:
        try:
            while self.head is not None and self.head < self._known:
                frames, reached = await replay.since(self.thread_id, self.head, self._known)
                self._hand_on(frames, reached)
        except db.DOWN as error:
            logger.debug("the log does not answer: %r; the next look reads it", error)
        finally:
            self._repair = None

    def _hand_on(self, frames: list[Frame], reached: int) -> None:
        since, self.head = self.head or 0, reached
        characters = sum(len(frame.text) for frame in frames)
        for subscription in tuple(self.subscriptions):
            subscription.push(frames, characters, since)


class Subscription:
    """One subscriber's place in a thread's stream: everything up to `position` was given to it.

    It waits for `begin`. From then on `is_ready` is called in the loop whenever there is something to take; it must
    not wait. What the subscriber does not take stays in the log.
    """

    __slots__ = ("_behind", "_ended", "_is_ready", "_pausing", "_queue", "_queued", "position", "topic")

    def __init__(self, topic: Topic, is_ready: Callable[[], None]) -> None:
        self.topic = topic
        self.position = 0
        self._is_ready = is_ready
        self._queue: list[Frame] = []
        self._queued = 0
        self._behind = True
        self._ended = False
        self._pausing: asyncio.Future[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the thread is gone."""
        return self._ended

    def begin(self, position: int) -> None:
        """Everything up to `position`, which was read after subscribing, is given in another way."""
        self.position = position
        self.topic.begin(position)
        self._go_back_to_the_log()
        self._behind = position < (self.topic.head or 0)

    def push(self, frames: list[Frame], characters: int, since: int) -> None:
        """The topic's next frames, which bring it on from `since`."""
        if not self._behind:
            if since < self.position:
                # Ahead of its topic. Frames read from the log may be merged over its place, and would say things twice.
                self._go_back_to_the_log()
            else:
                self._queue += frames
                self._queued += characters
                if self._queued > QUEUE_CHARACTERS:
                    self._go_back_to_the_log()
        self._is_ready()

    def _go_back_to_the_log(self) -> None:
        self._queue = []
        self._queued = 0
        self._behind = True

    def end(self) -> None:
        self._ended = True
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)
        self._is_ready()

    @property
    def behind(self) -> bool:
        """Whether the next frames must be read from the log. There are none of a thread that is gone."""
        return self._behind and not self._ended

    def take(self) -> list[Frame]:
        """The next frames in order, as far as they are here."""
        frames = self._queue
        if frames:
            self._queue = []
            self._queued = 0
            if frames[0].seq <= self.position:
                frames = [frame for frame in frames if frame.seq > self.position]
            if frames:
                self.position = frames[-1].seq
        return frames

    async def ready(self) -> list[Frame]:
        """The next frames in order, from here or from the log; none where there are none yet, or the thread is gone.

        None also where the log did not answer, ASK_AGAIN_SECONDS ago: as long as the subscription is `behind`, this is
        to be called again.
        """
        frames: list[Frame] = []
        while not (frames or self._ended):
            if not self._behind:
                return self.take()
            try:
                frames = await self._catch_up()
            except db.DOWN as error:
                logger.debug("the log does not answer: %r; it is asked again", error)
                await self._pause()
                break
        return frames

    async def _pause(self) -> None:
        """Let the log be for a while: every subscriber that is behind asks it. A thread that ends is not waited for."""
        if not self._ended:
            self._pausing = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._pausing], timeout=ASK_AGAIN_SECONDS)
            self._pausing = None

    async def _catch_up(self) -> list[Frame]:
        frames, reached = await replay.since(self.topic.thread_id, self.position, self.topic.head or 0)
        self.position = max(self.position, reached)
        # No await between this look and the next push: what is handed on from here lands in the queue.
        self._behind = self.position < (self.topic.head or 0)
        return frames


class Hub:
    """All the threads that a process follows."""

    def __init__(self) -> None:
        self._topics: dict[UUID, Topic] = {}
        self._opening: dict[UUID, asyncio.Lock] = {}
        self._deaf_until = 0.0
        self._watch = asyncio.get_running_loop().create_task(self._watch_loop())

    async def subscribe(self, thread_id: UUID, is_ready: Callable[[], None]) -> Subscription:
        """A place in the thread's stream. What is read of the log from now on tells where it begins.

        The group is joined before the log is read, so that nothing falls between the two.
        """
        lock = self._opening.setdefault(thread_id, asyncio.Lock())
        async with lock:
            topic = self._topics.get(thread_id)
            if topic is None:
                topic = self._topics[thread_id] = Topic(thread_id)
                try:
                    await groups.exchange().join(groups.thread(thread_id), topic.hear)
                except BaseException:
                    del self._topics[thread_id]
                    await groups.exchange().leave(groups.thread(thread_id), topic.hear)
                    raise
            subscription = Subscription(topic, is_ready)
            topic.subscriptions.add(subscription)
            return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        topic = subscription.topic
        topic.subscriptions.discard(subscription)
        async with self._opening.setdefault(topic.thread_id, asyncio.Lock()):
            if not topic.subscriptions and self._topics.get(topic.thread_id) is topic:
                del self._topics[topic.thread_id]
                await groups.exchange().leave(groups.thread(topic.thread_id), topic.hear)
        lock = self._opening.get(topic.thread_id)
        if lock is not None and not lock.locked() and topic.thread_id not in self._topics:
            del self._opening[topic.thread_id]

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # The pace of the looks: a layer that has lost something does not say so.
            await asyncio.sleep(DEAF_LOOK_SECONDS if loop.time() < self._deaf_until else LOOK_SECONDS)
            if not self._topics:
                continue
            followed = {thread_id for thread_id, topic in self._topics.items() if topic.head is not None}
            try:
                heads = await replay.heads(list(followed))
            except db.DOWN as error:
                logger.debug("the log does not answer: %r", error)
                continue
            except Exception:
                logger.exception("the look at the log failed")
                continue
            for thread_id in followed - heads.keys():
                if (gone := self._topics.get(thread_id)) is not None:
                    gone.hear({"ended": True})
            # Only what was committed a moment ago counts as unheard: the frames of this very moment are on their way.
            await asyncio.sleep(DEAF_LOOK_SECONDS)
            unheard = [
                topic
                for thread_id, head in heads.items()
                if (topic := self._topics.get(thread_id)) is not None and topic.look(head)
            ]
            if unheard:
                if loop.time() >= self._deaf_until:
                    logger.info("the channel layer did not bring what the log has: joining its groups again")
                self._deaf_until = loop.time() + DEAF_FOR_SECONDS
                groups.exchange().rejoin()

    async def close(self) -> None:
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)


_hub = db.PerLoop(Hub)


def hub() -> Hub:
    """The running loop's hub."""
    return _hub.get()


async def close() -> None:
    found = _hub.pop()
    if found is not None:
        await found.close()
