"""The worker: takes jobs from the queue, and takes over those of workers that died.

By default it lives in the web process, beside the consumers; with CHAT_WORKER=external it is a process of its own
(`manage.py procrastinate worker`). A worker tells by a heartbeat that it lives. Each of them looks regularly for jobs
whose worker has fallen silent and puts them back into the queue; whoever takes such a job raises the run's attempt,
which shuts the old worker out (see runs.claim), so that it does no harm where the old one was only slow.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

from django.conf import settings
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from chat import db, execution, jobs, log, runs
from chat.db import in_thread
from project import postgres

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.5
SILENT_SECONDS = 5.0
LOOK_SECONDS = 1.0
HAND_OVER_SECONDS = 2.5
"""How long a worker that stops waits for its runs to end a step; what is not there yet is cut off.

It sends no heartbeat meanwhile, so this and one heartbeat are less than SILENT_SECONDS.
"""

_RESCUE_LOCK = 0x52455343


def _job_queue(connections: int) -> App:
    """The job queue as a worker speaks to it; not yet open."""
    connector = PsycopgConnector(
        conninfo=postgres.conninfo(),
        min_size=1,
        max_size=connections,
        timeout=db.WAIT_SECONDS,
        kwargs={"prepare_threshold": 1},
        configure=_in_single_statements,
        pool_factory=_pool,
    )
    return jobs.queue(connector)


def _pool(**given: Any) -> AsyncConnectionPool:
    """Procrastinate's own asks the server of every connection whether it lives: one statement more for each of its."""
    return AsyncConnectionPool(**{**given, "check": db.still_open})


async def _in_single_statements(connection: AsyncConnection[Any]) -> None:
    """Each thing that procrastinate does is one statement: no BEGIN and COMMIT around it."""
    await connection.set_autocommit(True)


class Worker:
    """The worker of one event loop."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._look_for_the_silent())]

    async def wait(self) -> None:
        """Wait until the worker has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Take no more jobs; hand the runs at work back, at the end of their step where that comes soon."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await self.wait()
        await log.close()
        await execution.close()

    async def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                await execution.warm()
                app = _job_queue(connections=10)
                async with app.open_async():
                    await app.run_worker_async(
                        name=f"{socket.gethostname()}:{os.getpid()}",
                        concurrency=settings.CHAT_CONCURRENCY,
                        install_signal_handlers=False,
                        fetch_job_polling_interval=1.0,
                        abort_job_polling_interval=2.0,
                        update_heartbeat_interval=HEARTBEAT_SECONDS,
                        stalled_worker_timeout=10 * SILENT_SECONDS,
                        shutdown_graceful_timeout=HAND_OVER_SECONDS,
                        delete_jobs="always",
                        additional_context={"stopping": self.stopping},
                    )
            except asyncio.CancelledError:
                raise
            except (ConnectorException, *db.DOWN) as error:
                logger.warning("the job queue does not answer: %s", error)
            except Exception:
                logger.exception("the worker ended by an error and begins again")
            await asyncio.sleep(LOOK_SECONDS)  # a pace for asking again while the database is away

    async def _look_for_the_silent(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                # Opened anew after every error: a pool that lost its server waits ever longer before it tries again.
                app = _job_queue(connections=2)
                async with app.open_async():
                    while True:
                        await self._rescue(app)
                        await asyncio.sleep(LOOK_SECONDS)
            except (ConnectorException, *db.DOWN) as error:
                logger.debug("the job queue does not answer: %s", error)
            except Exception:
                logger.exception("the look for silent workers failed")

    async def _rescue(self, app: App) -> None:
        """Take the jobs of silent workers away from them, so that others get them. One process does it at a time: a
        second one that had looked before could take away what was just taken.

        A run gets a new job. To whom the old one belonged may only be slow, and ends it at last by its number.
        """
        pool = await db.pool()
        async with pool.connection() as conn, conn.transaction():
            cursor = await conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_RESCUE_LOCK,))
            row = await cursor.fetchone()
            if row is None or not row[0]:
                return
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_SECONDS):
                logger.warning("job %s is taken from a silent worker", job.id)
                if job.task_name == runs.EXECUTE:
                    await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
                else:
                    await app.job_manager.retry_job(job)
            for run_id in await in_thread(runs.revive):
                logger.warning("run %s has a new job", run_id)


_worker = db.PerLoop(Worker)


def current() -> Worker:
    """The running loop's worker."""
    return _worker.get()
