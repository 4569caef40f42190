"""The kept statement: its answers are committed, and a connection that breaks is replaced."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from chat import db
from chat.prepared import Prepared
from tests.services.databases import Database

SECONDS = 15.0


@asynccontextmanager
async def prepared(statement: str) -> AsyncIterator[Prepared]:
    made = Prepared(statement)
    try:
        yield made
    finally:
        await made.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.005)


async def test_it_is_executed_with_its_parameters_as_often_as_wanted(database: Database) -> None:
    sql = "SELECT word, NULL, length($2::text) FROM json_to_recordset($1::json) AS said (word text)"
    async with prepared(sql) as statement:
        for long in (10, 8_000_000, 1):  # more than a socket takes at once
            rows = await statement.execute('[{"word":"é"},{"word":"b"}]', "x" * long)
            size = str(long).encode()
            assert rows == [("é".encode(), None, size), (b"b", None, size)]


async def test_what_is_refused_only_at_the_commit_is_refused(database: Database) -> None:
    """The row comes first, the broken promise to a table behind it: an answer is not one before both."""
    sql = "INSERT INTO chat_event (thread_id, seq, type, body) VALUES ($1::uuid, 1, '', '') RETURNING seq"
    async with prepared(sql) as statement:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            await statement.execute(str(uuid.uuid4()))
        assert statement.is_open
    assert database.query("SELECT count(*) FROM chat_event") == [(0,)]


async def test_a_refused_parameter_costs_nothing_but_its_execution(database: Database) -> None:
    async with prepared("SELECT $1::int, pg_backend_pid()") as statement:
        [(_, backend)] = await statement.execute("1")
        with pytest.raises(psycopg.DataError):
            await statement.execute("one")
        assert await statement.execute("2") == [(b"2", backend)]


async def test_a_connection_that_ends_meanwhile_fails_that_execution_and_no_other(database: Database) -> None:
    async with prepared("SELECT pg_backend_pid()::text, pg_sleep($1::float)") as statement:
        [(backend, _)] = await statement.execute("0")
        assert backend is not None
        sleeping = asyncio.ensure_future(statement.execute("60"))
        await until(lambda: database.query(SLEEPING, int(backend)) == [(1,)])
        database.query("SELECT pg_terminate_backend(%s)", int(backend))
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(sleeping, SECONDS)
        [(other, _)] = await statement.execute("0")
        assert other != backend


SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"


async def test_an_idle_connection_that_ends_is_noticed_and_replaced(database: Database) -> None:
    async with prepared("SELECT pg_backend_pid()") as statement:
        [(backend,)] = await statement.execute()
        assert backend is not None
        database.query("SELECT pg_terminate_backend(%s)", int(backend))
        await until(lambda: not statement.is_open)
        [(other,)] = await statement.execute()
        assert other != backend


async def test_a_cancelled_execution_leaves_no_answer_to_the_next(database: Database) -> None:
    async with prepared("SELECT $2::text, pg_sleep($1::float)") as statement:
        [_] = await statement.execute("0", "first")
        waiting = asyncio.ensure_future(statement.execute("0.2", "second"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert [row[0] for row in await statement.execute("0", "third")] == [b"third"]


async def test_closed_it_holds_no_connection(database: Database) -> None:
    async with prepared("SELECT 1") as statement:
        await statement.execute()
        await statement.close()
        assert not statement.is_open
        pool = await db.pool()
        async with asyncio.timeout(SECONDS):
            taken = [await pool.getconn() for _ in range(db.POOL_SIZE)]
        for connection in taken:
            await pool.putconn(connection)
