"""How much one person may ask for: connections, commands and uploads in this process, unfinished runs in all.

The limits are far above what a person does; they keep one from taking the site away from the others. Every transport
asks the same function, and each raises RateLimited.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

import orjson
from django.conf import settings

from chat import table
from chat.errors import RateLimited

PEOPLE_KEPT = 1000


class Bucket:
    """For each person as many at once as fit in a minute, and then as many as a minute brings; in any thread."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, user_id: int) -> float:
        """Take one. Gives 0, or in how many seconds there will be one."""
        now = time.monotonic()
        with self._lock:
            if len(self._left) > PEOPLE_KEPT and user_id not in self._left:
                self._forget(now)
            left = self._now_left(user_id, now)
            taken = left >= 1
            self._left[user_id] = (left - 1 if taken else left, now)
        return 0.0 if taken else (1 - left) * 60 / self._per_minute

    def _now_left(self, user_id: int, now: float) -> float:
        left, at = self._left.get(user_id, (float(self._per_minute), now))
        return min(left + (now - at) * self._per_minute / 60, self._per_minute)

    def _forget(self, now: float) -> None:
        """Whose bucket is full again looks like a newcomer."""
        full = [id_ for id_ in self._left if self._now_left(id_, now) >= self._per_minute]
        for id_ in full:
            del self._left[id_]


_commands = Bucket(settings.LIMIT_COMMANDS_PER_MINUTE)
_uploads = Bucket(settings.LIMIT_UPLOADS_PER_MINUTE)


def connection(already_open: int) -> None:
    """One more connection of a person who has so many open in this process."""
    if already_open >= settings.LIMIT_CONNECTIONS:
        raise RateLimited(f"You have {already_open} connections open here; close some.")


def command(user_id: int) -> None:
    """One more command, on a socket or over HTTP."""
    _refuse_until(_commands.take(user_id), "commands")


def upload(user_id: int) -> None:
    """One more picture."""
    _refuse_until(_uploads.take(user_id), "uploads")


UNFINISHED = """
SELECT count(*) FROM chat_run AS run JOIN chat_thread AS thread ON thread.id = run.thread_id
WHERE thread.owner_id = %s AND run.status IN ('queued', 'running', 'interrupted')
"""
"""How many unfinished runs a person has."""


def run(unfinished: int) -> None:
    """One more run of a person who has so many unfinished ones."""
    if unfinished >= settings.LIMIT_RUNS:
        raise RateLimited(f"You have {unfinished} runs that are not finished; stop some, or wait for them.")


QUEUED_MAX = 20
"""The most messages that may wait in a thread behind the run at work."""
QUEUED_BYTES = 200 * 1024
"""How long their texts may be together, as JSON: every snapshot has them whole, beside SNAPSHOT_BYTES of the path."""

_QUEUED = """
SELECT count(*), coalesce(sum(octet_length(to_json(message.text)::text) + (
    SELECT coalesce(sum(octet_length(to_json(image.prompt)::text)), 0)
    FROM chat_message_attachments AS attached JOIN chat_image AS image ON image.id = attached.image_id
    WHERE attached.message_id = message.id
)), 0)
FROM chat_message AS message WHERE message.thread_id = %s AND message.status = 'queued'
"""


def queue(thread_id: UUID, *texts: str) -> None:
    """One more message with these texts that is to wait its turn in the thread, which the caller holds the lock of."""
    ((count, size),) = table.read(_QUEUED, [thread_id])
    more = sum(len(orjson.dumps(text)) for text in texts)
    if count >= QUEUED_MAX or (count and size + more > QUEUED_BYTES):
        raise RateLimited(f"{count} messages wait for their turn here; let some be answered, or stop them.")


def _refuse_until(seconds: float, what: str) -> None:
    if seconds:
        raise RateLimited(
            f"Too many {what} at once; wait a moment.", retry_after_seconds=round(seconds + 0.05, 1)
        )
