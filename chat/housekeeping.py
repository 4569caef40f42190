"""What goes by itself: logs that nobody follows any more, files without rows, ends of jobs, sessions and tries.

Each function takes one bounded step and says whether there may be more to do; jobs.py calls them every hour.

Checkpoints are not thinned out. The messages of a thread are stored as differences, each standing on the ones before
it, so an old checkpoint is needed by every later one; they grow by a few kilobytes a turn, and go with their thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from chat.models import Event, HonouredCommand, Image, Run, Thread

LOG_DAYS = 30
COMMAND_DAYS = 30
FILE_HOURS = 24
"""A file is written before its row: a young one without a row may be about to get it."""
JOB_DAYS = 7
TRY_DAYS = 1

THREADS_AT_ONCE = 100
ROWS_AT_ONCE = 5000
FILES_AT_ONCE = 1000


def quiet_logs() -> bool:
    """Let go of the log of threads that were left alone: who comes back to one gets a snapshot."""
    with transaction.atomic():
        quiet = (
            Thread.objects.filter(
                updated_at__lt=_ago(days=LOG_DAYS), kept_seq__lt=F("last_seq"), active_run=None
            )
            .exclude(Exists(Run.objects.filter(thread=OuterRef("pk"), status__in=Run.UNFINISHED)))
            .select_for_update(skip_locked=True, of=("self",))
        )
        ids = list(quiet.values_list("id", flat=True)[:THREADS_AT_ONCE])
        _delete(Event.objects.filter(thread__in=ids))
        Thread.objects.filter(id__in=ids).update(kept_seq=F("last_seq"))
    return len(ids) == THREADS_AT_ONCE


def old_commands() -> bool:
    """Forget the answers of commands that nobody sends again."""
    return _delete_some(HonouredCommand.objects.filter(created_at__lt=_ago(days=COMMAND_DAYS)))


def expired_sessions() -> bool:
    """Delete sessions that let nobody in any more."""
    return _delete_some(Session.objects.filter(expire_date__lt=timezone.now()))


def old_tries() -> bool:
    """Forget wrong passwords of the day before yesterday: they lock nobody out."""
    return _delete_some(AccessAttempt.objects.filter(attempt_time__lt=_ago(days=TRY_DAYS)))


_ENDED_JOBS = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT job.id FROM procrastinate_jobs AS job
    WHERE job.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
      AND NOT EXISTS (SELECT 1 FROM procrastinate_events WHERE job_id = job.id AND at > %s)
    LIMIT %s
)
"""


def ended_jobs() -> bool:
    """Delete jobs that were cancelled or failed: those that ended well are deleted by their worker."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDED_JOBS, [_ago(days=JOB_DAYS), ROWS_AT_ONCE])
        return bool(cursor.rowcount == ROWS_AT_ONCE)


# One look into the index for each thread, not one at each row.
_LOST_MEMORY = """
WITH RECURSIVE remembered AS (
    (SELECT thread_id FROM checkpoints ORDER BY thread_id LIMIT 1)
    UNION ALL
    SELECT (SELECT thread_id FROM checkpoints WHERE thread_id > remembered.thread_id ORDER BY thread_id LIMIT 1)
    FROM remembered WHERE remembered.thread_id IS NOT NULL
)
SELECT thread_id FROM remembered
WHERE thread_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chat_thread WHERE id::text = remembered.thread_id)
LIMIT %s
"""


def lost_memory() -> bool:
    """Delete the checkpoints of threads that are gone without `threads.delete`, as when SQL deleted them."""
    with connection.cursor() as cursor:
        cursor.execute(_LOST_MEMORY, [THREADS_AT_ONCE])
        ids = [row[0] for row in cursor.fetchall()]
        for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints"):
            cursor.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", [ids])  # noqa: S608  names of our own
    return len(ids) == THREADS_AT_ONCE


def lost_pictures() -> bool:
    """Delete picture files that no row names."""
    for names in _in_parts(_files_in("images")):
        rows = Image.objects.filter(id__in={_uuid(_stem(name)) for name in names})
        named = {name for row in rows.values_list("file", "thumbnail") for name in row}
        _delete_files(name for name in names if name not in named)
    return False


def spent_previews() -> bool:
    """Delete partial pictures whose run has ended, and their folders."""
    for folder in _folders_in("previews"):
        if Run.objects.filter(thread=_uuid(folder), status__in=Run.UNFINISHED).exists():
            continue
        names = _files_in(f"previews/{folder}")
        if _delete_files(names) == len(names):
            with suppress(OSError):  # a run that has begun since has put something into it
                default_storage.delete(f"previews/{folder}")
    return False


STEPS: tuple[Callable[[], bool], ...] = (
    quiet_logs,
    old_commands,
    expired_sessions,
    old_tries,
    ended_jobs,
    lost_memory,
    lost_pictures,
    spent_previews,
)


def _ago(**units: float) -> datetime:
    return timezone.now() - timedelta(**units)


def _delete(rows: QuerySet[Any]) -> int:
    deleted: int = rows._raw_delete(rows.db)  # nothing hangs on them, nobody listens
    return deleted


def _delete_some(rows: QuerySet[Any]) -> bool:
    some = rows.order_by().values("pk")[:ROWS_AT_ONCE]
    return _delete(rows.model._default_manager.filter(pk__in=some)) == ROWS_AT_ONCE


def _folders_in(folder: str) -> list[str]:
    return _listed(folder)[0]


def _files_in(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in _listed(folder)[1]]


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _in_parts(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + FILES_AT_ONCE] for start in range(0, len(names), FILES_AT_ONCE))


def _delete_files(names: Iterable[str]) -> int:
    """Delete those of the files that are old enough; how many are gone, by whomever."""
    gone = 0
    for name in names:
        try:
            if default_storage.get_modified_time(name) >= _ago(hours=FILE_HOURS):
                continue
        except FileNotFoundError:  # somebody deleted it since it was listed
            pass
        default_storage.delete(name)
        gone += 1
    return gone


def _stem(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)  # nobody's
