"""The jobs that a worker knows: a thin face of execution.py, naming.py and housekeeping.py for the job queue.

They are asked for by name, in a transaction of Django's (runs). A job that was handed back is put into the queue again,
whatever the reason; it is not an error of its own. It may go on at once where its process stops, and after a moment
where the database does not answer.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.connector import BaseAsyncConnector
from procrastinate.jobs import Job

from chat import configured, execution, housekeeping, naming, runs
from chat.db import in_thread
from chat.errors import HandedBack, Unavailable

logger = logging.getLogger(__name__)

KEEP_HOUSE = "chat.keep_house"
STEPS_AN_HOUR = 100
HOUR_SECONDS = 3600.0


def queue(connector: BaseAsyncConnector) -> App:
    """The job queue as a worker speaks to it; not yet open.

    Everything goes through `connector`: were the jobs known to Django's app, what falls due would be put into the queue
    by Django's connection of a thread that nobody closes when Postgres was away.
    """
    # What fell due within the hour while no worker was there is made up for.
    app = App(connector=connector, periodic_defaults={"max_delay": HOUR_SECONDS})
    app.task(name=runs.EXECUTE, pass_context=True, retry=_HandBack())(_execute)
    app.task(name=runs.TITLE, retry=_HandBack())(_title)
    app.periodic(cron="7 * * * *")(
        app.task(name=KEEP_HOUSE, queueing_lock=KEEP_HOUSE, lock=KEEP_HOUSE)(_keep_house)
    )
    return app


class _HandBack(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        match exception:
            case HandedBack() | asyncio.CancelledError():
                return RetryDecision(retry_in={"seconds": 0})
            case Unavailable():
                return RetryDecision(retry_in={"seconds": 1})
        return None


async def _execute(context: JobContext, run_id: str) -> None:
    stopping: asyncio.Event = context.additional_context["stopping"]
    await execution.execute(UUID(run_id), context.worker_name or "", stopping)


async def _title(thread_id: str) -> None:
    await naming.name_thread(UUID(thread_id), configured.model())


async def _keep_house(timestamp: int) -> None:
    """Every hour, for a while each: what is left over is the next hour's, and what fails keeps nothing else waiting."""
    for step in housekeeping.STEPS:
        try:
            for _ in range(STEPS_AN_HOUR):
                if not await in_thread(step):
                    break
        except Exception:
            logger.exception("keeping house: %s failed, and is tried again in an hour", step.__name__)
