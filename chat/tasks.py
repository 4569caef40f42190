"""The jobs: a thin face of execution.py and naming.py for the job queue.

A job that was handed back is put into the queue again, whatever the reason; it is not an error of its own. It may go on
at once where its process stops, and after a moment where the database does not answer.
The agent is imported when the first job runs: this module is loaded by every management command.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from chat.errors import HandedBack, Unavailable

STEPS_AN_HOUR = 100


class _HandBack(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        match exception:
            case HandedBack() | asyncio.CancelledError():
                return RetryDecision(retry_in={"seconds": 0})
            case Unavailable():
                return RetryDecision(retry_in={"seconds": 1})
        return None


@app.task(name="chat.execute", pass_context=True, retry=_HandBack())
async def execute(context: JobContext, run_id: str) -> None:
    from chat import execution, worker

    await execution.execute(UUID(run_id), worker.name(), worker.stopping())


@app.task(name="chat.title", retry=_HandBack())
async def title(thread_id: str) -> None:
    from chat import configured, naming

    await naming.name_thread(UUID(thread_id), configured.model())


@app.periodic(cron="7 * * * *")
@app.task(name="chat.keep_house", queueing_lock="chat.keep_house", lock="chat.keep_house")
async def keep_house(timestamp: int) -> None:
    """Every hour, for a while each: what is left over is the next hour's."""
    from chat import housekeeping
    from chat.db import in_thread

    for step in housekeeping.STEPS:
        for _ in range(STEPS_AN_HOUR):
            if not await in_thread(step):
                break
