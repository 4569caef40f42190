"""What a process has beside its requests: connections, the hub, the worker. Started once, stopped in order."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings

from chat import db, doors, feed, groups, log, sockets, worker

logger = logging.getLogger(__name__)


class _Process:
    def __init__(self) -> None:
        self.started = False
        self.stopped = False


_process = db.PerLoop(_Process)


async def start() -> None:
    """Start what this process needs, at its first call in a loop; whatever server it runs under."""
    process = _process.get()
    if process.started:
        return
    process.started = True
    groups.exchange()
    feed.hub()
    await doors.watch().open()
    if settings.CHAT_WORKER == "inline":
        worker.current().start()


def is_stopping() -> bool:
    """Whether the process is on its way out: who comes now is told to come back."""
    return _process.get().stopped


async def stop() -> None:
    """Stop in order: sockets are told to come back, runs are handed over, connections closed."""
    process = _process.get()
    if process.stopped:
        return
    process.stopped = True
    await sockets.close_all()
    if settings.CHAT_WORKER == "inline":
        await asyncio.shield(worker.current().stop())
    await log.close()
    await feed.close()
    await doors.close()
    await groups.close()
    await db.close()
