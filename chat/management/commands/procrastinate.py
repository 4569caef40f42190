"""`procrastinate worker`: this project's worker, which also takes over the runs of dead ones."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from procrastinate.contrib.django.management.commands import procrastinate

from chat import db, groups, worker
from project import leaving

STOP_SECONDS = 15.0
"""How long a stop may take at the most; a hand-over needs a few seconds."""


class Command(procrastinate.Command):
    help = "The job queue's commands; `worker` executes runs until SIGTERM, and then hands them over."

    def handle(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("command") != "worker":
            super().handle(*args, **kwargs)
            return
        asyncio.run(_work())


async def _work() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    groups.exchange()
    worker.current().start()
    await ended.wait()
    leaving.within(STOP_SECONDS)
    await worker.current().stop()
    await groups.close()
    await db.close()
