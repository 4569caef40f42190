"""The jobs: a thin face of execution.py and naming.py for the job queue.

A job that was handed back is put into the queue again at once, whatever the reason; it is not an error of its own.
The agent is imported when the first job runs: this module is loaded by every management command.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from chat.errors import HandedBack, Unavailable


class _HandBack(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, HandedBack | Unavailable | asyncio.CancelledError):
            return RetryDecision(retry_in={"seconds": 0})
        return None


@app.task(name="chat.execute", pass_context=True, retry=_HandBack())
async def execute(context: JobContext, run_id: str) -> None:
    from chat import execution, worker

    await execution.execute(UUID(run_id), worker.name(), worker.stopping())


@app.task(name="chat.title")
async def title(thread_id: str) -> None:
    from chat import configured, naming

    await naming.name_thread(UUID(thread_id), configured.model())
