"""What a process has beside its requests: connections, the hub, the worker. Started once, stopped in order."""

from __future__ import annotations

import asyncio
import gc
import logging

from django.conf import settings

from chat import db, doors, feed, groups, log, sockets, worker

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long a process takes to stop, whatever hangs: what it leaves behind others take over, as from one that died."""


class _Process:
    def __init__(self) -> None:
        self.started = False
        self.heartbeat: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None


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
    return _process.get().stopping is not None


async def stop() -> None:
    """Stop in order, within STOP_SECONDS: sockets are told to come back, runs are handed over, connections closed.

    Whoever calls it again waits for the same.
    """
    process = _process.get()
    if process.stopping is None:
        process.stopping = asyncio.get_running_loop().create_task(_stop_in_time(process))
    await asyncio.shield(process.stopping)


async def _stop_in_time(process: _Process) -> None:
    # Not cancelled at its time: what hangs may not let itself be cancelled either.
    stopping = asyncio.get_running_loop().create_task(_stop_in_order(process))
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if not stopping.done():
        logger.warning("not all of the process could be stopped in order within %g s", STOP_SECONDS)
        return
    await stopping


async def _stop_in_order(process: _Process) -> None:
    await sockets.close_all()
    if process.heartbeat is not None:
        process.heartbeat.cancel()
    if settings.CHAT_WORKER == "inline":
        await worker.current().stop()
    await log.close()
    await feed.close()
    await doors.close()
    await groups.close()
    await db.close()
