"""One statement that is executed again and again, on a connection of its own that is kept.

A cursor of psycopg's on a connection from the pool costs the process several times what libpq does. This is for the
one statement that every tick of the log executes; all others go through `db.pool()` or Django.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg import errors, pq

from chat import db

_NAME = b"prepared"

Row = tuple[bytes | None, ...]


class Prepared:
    """The statement, its parameters written `$1` and so on. It has at most one execution at a time.

    Each execution is a transaction by itself: when it is answered it is committed.
    """

    def __init__(self, statement: str) -> None:
        self._statement = statement.encode()
        self._loop = asyncio.get_running_loop()
        self._pool: db.Pool
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._libpq: pq.abc.PGconn
        self._socket = -1
        self._is_broken = False
        self._results: list[pq.abc.PGresult] = []
        self._answered: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has a connection that is of use, as far as anything was heard of it."""
        return self._connection is not None and not self._is_broken

    async def execute(self, *parameters: str) -> list[Row]:
        """The rows, as Postgres writes them. Raises psycopg's errors, and the pool's where there is no connection."""
        try:
            if not self.is_open:
                await self.close()
                await self._open()
            self._libpq.send_query_prepared(_NAME, [text.encode() for text in parameters])
            result = await self._answer()
        except (psycopg.DataError, psycopg.IntegrityError):
            raise  # of this execution: the connection is as good as before
        except BaseException:
            await self.close()
            raise
        columns = range(result.nfields)
        return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]

    async def close(self) -> None:
        """Let the connection go; the next execution takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if not self._is_broken:
                self._hang_up()
            self._is_broken = False
            await connection.close()
            await self._pool.putconn(connection)

    async def _open(self) -> None:
        self._pool = await db.pool()
        self._connection = await self._pool.getconn()
        try:
            self._libpq = self._connection.pgconn
            self._socket = self._libpq.socket
            self._loop.add_reader(self._socket, self._look)
            self._libpq.send_prepare(_NAME, self._statement)
            await self._answer()
        except BaseException:
            await self.close()
            raise

    async def _answer(self) -> pq.abc.PGresult:
        """What was sent is answered, to the end of its transaction. Raises the error that it was answered with."""
        self._results = []
        self._answered = self._loop.create_future()
        try:
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._flush)
            await self._answered
        finally:
            self._answered = None
        for result in self._results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result)
        return self._results[0]

    def _flush(self) -> None:
        """Send what the socket did not take at once."""
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._break(error)

    def _look(self) -> None:
        """Something came: a part of an answer, or the connection's end."""
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    # Not before: a result says nothing of the commit, which comes behind it and may still fail.
                    if self._answered is not None and not self._answered.done():
                        self._answered.set_result(None)
                    return
                self._results.append(result)
        except psycopg.Error as error:
            self._break(error)

    def _break(self, error: psycopg.Error) -> None:
        """The connection is of no use any more."""
        self._is_broken = True
        self._hang_up()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    def _hang_up(self) -> None:
        socket, self._socket = self._socket, -1
        if socket >= 0:
            self._loop.remove_reader(socket)
            self._loop.remove_writer(socket)
