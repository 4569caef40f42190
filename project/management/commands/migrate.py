"""`migrate`, with the checkpoint tables, and safe to be run by several machines at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.core.management.commands import migrate

from project import postgres

# Any number that nothing else in this database locks.
LOCK = 0x6261636B


class Command(migrate.Command):
    help = f"{migrate.Command.help} Makes LangGraph's checkpoint tables too."

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        with _alone():
            super().handle(*args, **options)
            _checkpoint_tables()


def _checkpoint_tables() -> None:
    from chat.agent import checkpoints

    asyncio.run(checkpoints.setup(postgres.conninfo()))


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the database's lock for migrations."""
    try:
        connection = psycopg.connect(postgres.conninfo(), autocommit=True)
    except psycopg.OperationalError as error:
        raise CommandError(f"the database cannot be reached: {' '.join(str(error).split())}") from error
    with connection:
        # Tried again and again rather than waited for: a statement that waits holds a snapshot, and CREATE INDEX
        # CONCURRENTLY, which the checkpoint tables use, waits for every older snapshot to go.
        while not _try_lock(connection):
            time.sleep(0.2)
        yield


def _try_lock(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    return row is not None and bool(row[0])
