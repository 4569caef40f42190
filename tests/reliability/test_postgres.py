"""Postgres goes away and comes back: sockets stay, commands are refused meanwhile, nothing acknowledged is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client import Refused
from tests.conftest import StartServer
from tests.reliability.own_postgres import OwnPostgres
from tests.reliability.watching import Watcher, agree
from tests.services.app import Kind
from tests.site import new_person
from tests.soak.figures import LONG, report

DOWN_SECONDS = 5.0


@pytest_asyncio.fixture
async def postgres() -> AsyncIterator[OwnPostgres]:
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        server = OwnPostgres(Path(directory))
        await server.start()
        yield server
        server.kill()


WAYS: list[tuple[Kind, signal.Signals]] = [("daphne", signal.SIGKILL)]
if LONG:
    WAYS += [("daphne", signal.SIGINT), ("uvicorn", signal.SIGKILL), ("uvicorn", signal.SIGINT)]


@pytest.mark.parametrize(("kind", "number"), WAYS)
async def test_sockets_and_runs_outlive_a_restart_of_postgres(
    kind: Kind, number: signal.Signals, server: StartServer, postgres: OwnPostgres
) -> None:
    database = await postgres.migrated()
    web = await server(kind, other_database=database, DEMO_TOKENS_PER_SECOND="60")
    person = await asyncio.to_thread(new_person, database, web.url)
    watcher = await Watcher(person, await person.thread()).connect()
    idle = await Watcher(person, await person.thread()).connect()
    assert watcher.tab
    assert idle.tab
    earlier = await idle.tab.say("say: before")
    await idle.state_of(earlier["run_id"])
    ack = await watcher.tab.say("count to 300")
    await watcher.tab.until("assistant_delta", seconds=20)

    postgres.send_signal(number)
    await asyncio.to_thread(postgres._running().wait)
    down_at = time.monotonic()
    id_ = str(uuid.uuid4())
    with pytest.raises(Refused) as refused:
        await idle.tab.ask("send_message", id=id_, text="say: meanwhile", seconds=8)
    refused_seconds = time.monotonic() - down_at
    assert refused.value.code == "unavailable"
    await asyncio.sleep(max(0.0, DOWN_SECONDS - (time.monotonic() - down_at)))  # the outage itself
    await postgres.start()
    up_at = time.monotonic()

    again = None
    while again is None:
        try:
            again = await idle.tab.ask("send_message", id=id_, text="say: meanwhile", seconds=10)
        except Refused as still:
            if still.code != "unavailable" or time.monotonic() - up_at > 10:
                raise
            await asyncio.sleep(0.1)
    answered_seconds = time.monotonic() - up_at
    await idle.state_of(again["run_id"], seconds=30)
    await watcher.state_of(ack["run_id"], seconds=40)
    assert watcher.connections == idle.connections == 1
    assert watcher.is_open
    assert idle.is_open
    await agree([watcher], person)
    await agree([idle], person)
    assert watcher.tab.state.texts[-1] == " ".join(str(number) for number in range(1, 301))
    assert idle.tab.state.texts == ["say: before", "before", "say: meanwhile", "meanwhile"]
    recovered = [event["run_id"] for event in watcher.events if event["type"] == "run_recovered"]
    assert set(recovered) == {ack["run_id"]}, "the run that was at work went on from where it was"
    assert web.alive
    report(
        f"Postgres down for {DOWN_SECONDS:g} s ({number.name}, {kind})",
        refused_after_seconds=refused_seconds,
        answered_after_seconds=answered_seconds,
        runs_over_after_seconds=time.monotonic() - up_at,
    )
    assert refused_seconds < 5


@pytest.mark.parametrize(
    ("kind", "number"), list(product(("daphne", "uvicorn"), (signal.SIGKILL, signal.SIGSTOP)))
)
async def test_a_server_that_is_told_to_stop_while_postgres_is_away_is_gone_in_time(
    kind: Kind, number: signal.Signals, server: StartServer, postgres: OwnPostgres
) -> None:
    database = await postgres.migrated()
    web = await server(kind, other_database=database, DEMO_TOKENS_PER_SECOND="60")
    person = await asyncio.to_thread(new_person, database, web.url)
    watcher = await Watcher(person, await person.thread()).connect()
    assert watcher.tab
    await watcher.tab.say("count to 300")
    await watcher.tab.until("assistant_delta", seconds=20)
    children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children").read_text().split()
    frozen = [int(pid) for pid in children] if number == signal.SIGSTOP else []
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    postgres.send_signal(number)
    began = time.monotonic()
    try:
        stopping = asyncio.create_task(web.stopped(20))
        assert await watcher.tab.closed() == 1012
        assert await stopping in (0, -signal.SIGTERM)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    report(f"SIGTERM without Postgres ({number.name}, {kind})", exited_seconds=time.monotonic() - began)
