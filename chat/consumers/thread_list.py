"""The socket of a tab's list of threads."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from chat import frames, groups, threads
from chat.consumers.socket import Socket
from chat.db import in_thread


class ThreadListConsumer(Socket):
    """A tab's list of threads: all of it first, then what changes. No log: each frame says how things are now."""

    RELIST_SECONDS = 30.0

    async def open(self, user_id: int) -> None:
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        await groups.exchange().join(groups.user(user_id), self._hear)
        self.spawn(self._follow(user_id))

    def _hear(self, message: dict[str, Any]) -> None:
        if "thread_id" in message:
            self._changed[message["thread_id"]] = None
            self._wake.set()

    async def _follow(self, user_id: int) -> None:
        listed: str | None = None
        while True:
            # Now and then all of it again: what the channel layer did not bring is put right by that.
            text = frames.threads((await in_thread(threads.entries, user_id, limit=200))["threads"])
            if text != listed:
                listed = text
                await self.write(text)
            try:
                async with asyncio.timeout(self.RELIST_SECONDS):
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await self._tell_changed(user_id)
            except TimeoutError:
                continue

    async def _tell_changed(self, user_id: int) -> None:
        while self._changed:
            thread_id, _ = self._changed.popitem()
            entry = await in_thread(threads.find_entry, user_id, UUID(thread_id))
            if entry is None:
                await self.write(frames.thread_removed(thread_id))
            else:
                await self.write(frames.thread_changed(entry))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Nothing is asked for on this socket."""

    async def left(self) -> None:
        if self.user_id is not None:
            await groups.exchange().leave(groups.user(self.user_id), self._hear)
