"""`manage.py serve` is the whole site in one process, and says in a line what stands in its way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest_asyncio

from tests.services.app import NEUTRAL
from tests.services.databases import SERVER, Database
from tests.services.process import ROOT, Process, free_port

Serve = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def serve(database: Database, tmp_path: Path) -> AsyncIterator[Serve]:
    started: list[Process] = []

    async def start(**env: str) -> Process:
        settings = {**NEUTRAL, "DATABASE_URL": database.url, "DATA_DIR": str(tmp_path), **env}
        process = Process(
            [sys.executable, "manage.py", "serve"], tmp_path / f"serve-{len(started)}.log", settings
        )
        started.append(process)
        process.spawn()
        await process.ready(lambda: says(process, "Ctrl-C ends it"))
        return process

    yield start
    for process in started:
        process.kill()


async def says(process: Process, words: str) -> bool:
    return words in process.log()


async def test_it_serves_on_the_port_that_is_asked_for_and_ends_in_order(serve: Serve) -> None:
    port = free_port()
    process = await serve(PORT=str(port))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    assert f"http://127.0.0.1:{port}/" in process.log()
    assert await process.stopped() == 0


async def test_a_taken_port_is_said_and_the_next_free_one_used(serve: Serve) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        process = await serve(PORT=str(port))
        assert f"Port {port} is taken." in process.log()
        served_at = int(process.log().split("http://127.0.0.1:")[1].split("/")[0])
        assert port < served_at
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{served_at}/healthz")).status_code == 200


async def test_it_prepares_an_empty_database(serve: Serve, tmp_path: Path) -> None:
    process = await serve(DATABASE_URL="", PORT=str(free_port()))
    assert (tmp_path / "postgres-18" / "data").exists()
    assert await process.stopped() == 0


def test_a_database_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    assert serve_fails(
        tmp_path, DATABASE_URL=f"postgresql://ada@127.0.0.1:{free_port()}/backdrop"
    ).startswith("CommandError: the database cannot be reached: connection failed")


def test_a_database_url_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    assert serve_fails(tmp_path, DATABASE_URL="mysql://localhost/x") == (
        "Backdrop: DATABASE_URL must look like postgresql://user:password@host:5432/name."
    )


def test_a_port_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    said = serve_fails(tmp_path, PORT="http", DATABASE_URL=SERVER.url())
    assert said == "CommandError: PORT is 'http'; it must be a number from 1 to 65535."


def serve_fails(data_dir: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env={**os.environ, **NEUTRAL, "DATA_DIR": str(data_dir), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr.strip()
