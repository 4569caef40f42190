"""The application runs as its own process, on either server, and can be killed and started again."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer, StartWorker
from tests.services.app import Kind
from tests.services.databases import Database


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_web_server_keeps_its_port_over_a_restart(server: StartServer, kind: Kind) -> None:
    web = await server(kind)
    port, pid = web.port, web.pid
    await web.restart()
    assert (web.port, web.alive) == (port, True)
    assert web.pid != pid


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_web_server_ends_in_order(server: StartServer, kind: Kind) -> None:
    web = await server(kind)
    assert await web.stopped() in (0, -15), web.log()


async def test_a_worker_runs_beside_the_web_server(
    server: StartServer, worker: StartWorker, database: Database
) -> None:
    await server(CHAT_WORKER="external")
    process = await worker()

    async def has_signed_in() -> bool:
        return database.query("SELECT count(*) FROM procrastinate_workers") == [(1,)]

    await process.ready(has_signed_in)
    assert await process.stopped() == 0, process.log()
