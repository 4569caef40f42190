"""The two ways to the database, and where each is used.

The event path (log, feed, checkpoints) speaks SQL over asyncio on `pool()`, so that no token waits for a thread.
Everything that changes rows is ordinary Django, run by `in_thread` on a few threads of its own: a slow query there
delays neither the event loop nor another person's socket.
"""

from __future__ import annotations

import asyncio
import contextvars
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, LiteralString, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import django.db
import psycopg
from django.db import connections
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from chat.errors import Unavailable
from project import postgres

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
POOL_SIZE = 8
WAIT_SECONDS = 4.0

Pool = AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="chat-db")


class PerLoop(Generic[T]):
    """One value for each running event loop, made at its first use: connections and tasks belong to a loop."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        loop = asyncio.get_running_loop()
        try:
            return self._values[loop]
        except KeyError:
            made = self._values[loop] = self._make()
            return made

    def pop(self) -> T | None:
        return self._values.pop(asyncio.get_running_loop(), None)


async def still_open(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raises OperationalError where the server has closed an idle connection.

    A closed socket has something to read, its end; an open and idle one has not. So nothing is asked of the server
    but in doubt, where every connection taken from the pool would cost a round trip.
    """
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    if look.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _make_pool() -> Pool:
    return AsyncConnectionPool(
        postgres.conninfo(),
        min_size=1,
        max_size=POOL_SIZE,
        timeout=WAIT_SECONDS,
        max_lifetime=3600,
        reconnect_timeout=postgres.RECONNECT_SECONDS,
        kwargs={"autocommit": True, "prepare_threshold": 1, "application_name": "backdrop"},
        check=still_open,
        open=False,
    )


_pool = PerLoop(_make_pool)


async def pool() -> Pool:
    """The loop's connections: autocommit, opened at the first call."""
    found = _pool.get()
    if found.closed:
        await found.open()
    return found


async def close() -> None:
    """Close the loop's connections."""
    found = _pool.pop()
    if found is not None:
        await found.close()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run Django's synchronous work on a thread, with a connection that goes back to the pool afterwards.

    Raises Unavailable where the database does not answer; what the work had begun was rolled back.
    """

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    context = contextvars.copy_context()
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, lambda: context.run(run))
    except (django.db.OperationalError, django.db.InterfaceError) as error:
        raise Unavailable("The database does not answer right now. Try again in a moment.") from error


DOWN = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    Unavailable,
)
"""What is raised where the database is away, on either way."""


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[TupleRow]]:
    """A cursor on Django's connection, in the caller's transaction, whose statements Postgres plans once.

    Django's own writes the values into the text, so that each statement is a new one.
    """
    connection = django.db.connection
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = 1
    with connection.wrap_database_errors, psycopg.Cursor(raw) as found:
        yield found


def execute(sql: LiteralString, args: list[Any]) -> None:
    """A statement on Django's connection, in the caller's transaction."""
    with cursor() as found:
        found.execute(sql, args)
