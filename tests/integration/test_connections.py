"""Django's connections come from a pool that looks at them, and asks the server nothing."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection

from chat.db import in_thread
from tests.services.databases import Database

pytestmark = pytest.mark.usefixtures("database")


def _pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


async def _pids() -> list[int]:
    """Those of all connections in the pool: it gives them in turn."""
    return [await in_thread(_pid) for _ in range(12)]


async def test_one_that_the_server_has_closed_is_given_to_nobody(database: Database) -> None:
    pids = await _pids()
    with psycopg.connect(database.url, autocommit=True) as other:
        for pid in set(pids):  # answers when the process has gone
            assert other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,)).fetchone() == (True,)
    assert not set(pids) & set(await _pids())


async def test_one_that_is_open_is_taken_without_a_word(database: Database) -> None:
    pids = await _pids()
    for _ in pids:
        await in_thread(connection.ensure_connection)
    with psycopg.connect(database.url, autocommit=True) as other:
        last = other.execute(
            "SELECT DISTINCT query FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,)
        ).fetchall()
    assert last == [("SELECT pg_backend_pid()",)]
