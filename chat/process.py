"""What a process has beside its requests: connections, the hub, the worker. Started once, stopped in order."""

from __future__ import annotations

import asyncio
import gc
import logging

from django.conf import settings

from chat import db, doors, feed, groups, log, sockets, worker

logger = logging.getLogger(__name__)


class _Process:
    def __init__(self) -> None:
        self.started = False
        self.stopped = False
        self.heartbeat: asyncio.Task[None] | None = None


_process = db.PerLoop(_Process)


async def start() -> None:
    """Start what this process needs, at its first call in a loop; whatever server it runs under."""
    process = _process.get()
    if process.started:
        return
    process.started = True
    # What is imported is here to stay: without this, every thousand connections have all of it looked through for
    # garbage, which takes a tenth of a second.
    gc.collect()
    gc.freeze()
    groups.exchange()
    feed.hub()
    process.heartbeat = asyncio.get_running_loop().create_task(sockets.keep_all_talking())
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
    if process.heartbeat is not None:
        process.heartbeat.cancel()
    if settings.CHAT_WORKER == "inline":
        await asyncio.shield(worker.current().stop())
    await log.close()
    await feed.close()
    await doors.close()
    await groups.close()
    await db.close()
