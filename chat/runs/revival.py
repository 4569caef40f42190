"""Runs that lost their job get a new one: none is stuck, however it came to that."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from chat.models import Run, Thread
from chat.runs import rows

_JOBLESS = """
SELECT run.id, run.thread_id FROM chat_run AS run
LEFT JOIN procrastinate_jobs AS job ON job.id = run.job_id AND job.status IN ('todo', 'doing')
WHERE run.status IN ('queued', 'running') AND job.id IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM chat_run AS earlier
      WHERE earlier.thread_id = run.thread_id AND earlier.status IN ('queued', 'running', 'interrupted')
        AND earlier.queued_seq < run.queued_seq
  )
"""


def revive() -> list[UUID]:
    """Give a job to every first unfinished run of a thread that has none, however it came to that: none is stuck."""
    with connection.cursor() as cursor:
        cursor.execute(_JOBLESS)
        jobless = cursor.fetchall()
    revived = []
    for run_id, thread_id in jobless:
        with transaction.atomic():
            Thread.objects.select_for_update().filter(id=thread_id).first()
            with connection.cursor() as cursor:
                cursor.execute(f"{_JOBLESS} AND run.id = %s", [run_id])  # what was read may have changed
                if cursor.fetchone() is None:
                    continue
            run = Run.objects.get(id=run_id)
            rows.defer(run)
            run.save(update_fields=["job_id"])
            revived.append(run_id)
    return revived
