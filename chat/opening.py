"""How a subscriber begins: what it gets first, so that it holds what everyone holds, and where it goes on live.

Behind the WebSocket and the event stream alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from uuid import UUID

from chat import feed, replay, snapshot
from chat.errors import NotFound
from chat.replay import Frame


class Opening:
    """One subscriber's way in. `head` is the log's head; `replay` then brings the subscriber from `after` to there."""

    def __init__(self, owner_id: int, thread_id: UUID, subscription: feed.Subscription) -> None:
        self.head = 0
        self.subscription = subscription
        self._owner_id = owner_id
        self._thread_id = thread_id
        self._read: list[Frame] = []
        self._reached = 0

    async def begin(self, after: int | None) -> None:
        """Read the events after `after`, or one snapshot where the log has not all of them. Raises NotFound."""
        if after is None or not await self._go_on(after):
            frame = await snapshot.read(self._owner_id, self._thread_id)
            self._read = [frame]
            self._begin_at(frame.seq, frame.seq)

    async def replay(self) -> AsyncIterator[Frame]:
        """The events after `after`, or one snapshot; then the subscription goes on behind it without a gap."""
        while True:
            read, self._read = self._read, []  # an open socket does not keep what it was sent
            for frame in read:
                yield frame
            if self._reached == self.head:
                return
            await self.begin(self._reached)

    async def _go_on(self, after: int) -> bool:
        page = await replay.page(self._owner_id, self._thread_id, after)
        if page is None:
            raise NotFound("There is no such thread.")
        if not page.kept <= after <= page.head:
            return False
        self._read = page.frames
        self._begin_at(page.head, page.reached)
        return True

    def _begin_at(self, head: int, reached: int) -> None:
        self.head = head
        self._reached = reached
        self.subscription.begin(head)

    async def close(self) -> None:
        await feed.hub().unsubscribe(self.subscription)


async def enter(owner_id: int, thread_id: UUID, after: int | None, is_ready: Callable[[], None]) -> Opening:
    """Join the thread's stream. `after` counts where the log still has what follows it. Raises NotFound.

    `is_ready` is called whenever the opening's subscription has something to take, see feed.py.
    """
    subscription = await feed.hub().subscribe(thread_id, is_ready)
    opening = Opening(owner_id, thread_id, subscription)
    try:
        await opening.begin(after)
    except BaseException:
        await opening.close()
        raise
    return opening


def parse_after(text: str | None) -> int | None:
    """The `after` of a request; what is no number of a log counts as none, and gets a snapshot."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)
