"""How a subscriber begins: what it gets first, so that it holds what everyone holds, and where it goes on live.

Behind the WebSocket and the event stream alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

from chat import db, feed, frames, history, log
from chat.db import in_thread
from chat.errors import NotFound
from chat.log import Frame

_STANDING = "SELECT last_seq, kept_seq FROM chat_thread WHERE id = %s AND owner_id = %s"


class _Standing(NamedTuple):
    """The log's head, and the last number that was let go."""

    head: int
    kept: int


class Opening:
    """One subscriber's way in. `head` is the log's head now; `replay` then brings it from `after` to there."""

    def __init__(
        self, user: Any, thread_id: UUID, head: int, after: int | None, subscription: feed.Subscription
    ) -> None:
        self.head = head
        self.subscription = subscription
        self._user = user
        self._thread_id = thread_id
        self._after = after

    async def replay(self) -> AsyncIterator[Frame]:
        """The events after `after`, or one snapshot; then the subscription goes on behind it without a gap."""
        if self._after is not None:
            position = self._after
            while position < self.head:
                read, position = await log.since(self._thread_id, position, self.head)
                for frame in read:
                    yield frame
            if await self._still_kept():
                return
        snapshot = await in_thread(history.snapshot, self._user, self._thread_id)
        self.head = snapshot["seq"]
        self.subscription.begin(self.head)
        yield Frame(snapshot["seq"], frames.snapshot(snapshot))

    async def _still_kept(self) -> bool:
        """Whether nothing of what was just read had been let go before it was read."""
        standing = await _standing(self._user, self._thread_id)
        return self._after is not None and standing.kept <= self._after

    async def close(self) -> None:
        await feed.hub().unsubscribe(self.subscription)


async def enter(user: Any, thread_id: UUID, after: int | None) -> Opening:
    """Join the thread's stream. `after` counts where the log still has what follows it. Raises NotFound."""
    head, kept = await _standing(user, thread_id)
    if after is not None and not kept <= after <= head:
        after = None
    subscription = await feed.hub().subscribe(thread_id, head)
    return Opening(user, thread_id, head, after, subscription)


async def _standing(user: Any, thread_id: UUID) -> _Standing:
    pool = await db.pool()
    async with pool.connection() as conn:
        cursor = await conn.execute(_STANDING, (thread_id, user.pk))
        row = await cursor.fetchone()
    if row is None:
        raise NotFound("There is no such thread.")
    return _Standing(*row)


def parse_after(text: str | None) -> int | None:
    """The `after` of a request; what is no number of a log counts as none, and gets a snapshot."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)
