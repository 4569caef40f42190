"""A socket that does not read, or does not say what it read: it costs a bounded amount and delays nobody."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.client import Closed, Person, Tab
from tests.conftest import StartServer
from tests.deaf import Deaf
from tests.reliability.watching import Watcher, agree
from tests.services.app import Kind
from tests.services.databases import Database
from tests.soak.figures import LONG, report

SLOW_SECONDS = 2
TEXT = "x" * 30_000
TURNS = 30
MEBIBYTE = 2**20
SOCKETS = 8
FLOOD_SECONDS = 20 if LONG else 3


def resident(pid: int) -> int:
    """The memory of a process, in bytes, as Linux counts it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_sockets_that_do_not_read_cost_a_bounded_amount_and_delay_nobody(
    kind: Kind, server: StartServer, database: Database, ada: Person
) -> None:
    web = await server(
        kind,
        DEMO_TOKENS_PER_SECOND="0",
        SLOW_CLIENT_SECONDS=str(SLOW_SECONDS),
        LIMIT_COMMANDS_PER_MINUTE="1000000",
    )
    person = ada.at(web.url)
    healthy = await Watcher(person, await person.thread()).connect()
    assert healthy.tab
    await healthy.tab.hear("say: warm")
    quiet = await unread_turns(healthy.tab, 8)
    before = resident(web.pid)
    deaf = [Deaf(person, web.port, healthy.thread_id) for _ in range(SOCKETS)]
    silent = await person.tab(healthy.thread_id, receipts=False)
    beside = await unread_turns(healthy.tab, TURNS)
    grown = resident(web.pid) - before
    with pytest.raises(Closed):
        await silent.holds(lambda _: False, "the end", seconds=60)
    assert silent.close_code == 4408
    got = sum(len(str(frame)) for frame in silent.frames if "seq" in frame)
    assert got <= 1.2 * MEBIBYTE
    await agree([healthy], person)
    report(
        f"sockets that do not read, {kind}",
        grown_mebibytes_a_socket=grown / MEBIBYTE / (SOCKETS + 1),
        turn_ms_before=1000 * quiet,
        turn_ms_beside=1000 * beside,
    )
    # What is kept for a socket at most: 1 MiB unreceived, a quarter of it queued, what the kernel takes.
    assert grown < (SOCKETS + 1) * 2.5 * MEBIBYTE + 16 * MEBIBYTE
    assert beside < 3 * quiet + 0.2
    for one in deaf:
        # uvicorn waits for TCP to give up on the rest; ours is only to need nothing for it.
        assert kind == "uvicorn" or await asyncio.to_thread(one.is_let_go)


async def unread_turns(tab: Tab, count: int) -> float:
    """Have the thread write long answers; gives the seconds for one."""
    began = time.monotonic()
    for _ in range(count):
        await tab.hear(f"say: {TEXT}", seconds=30)
    return (time.monotonic() - began) / count


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_socket_that_asks_without_reading_the_answers_costs_a_bounded_amount(
    kind: Kind, server: StartServer, database: Database, ada: Person
) -> None:
    web = await server(kind, LIMIT_COMMANDS_PER_MINUTE="100000000")
    person = ada.at(web.url)
    healthy = await Watcher(person, await person.thread()).connect()
    assert healthy.tab
    await healthy.tab.hear("say: warm")
    deaf = Deaf(person, web.port, healthy.thread_id)
    before = resident(web.pid)
    ping = '{"type":"ping","id":"' + "p" * 60 + '"}'

    def flood() -> int:
        asked, deadline = 0, time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < deadline and deaf.say(ping):
            asked += 1
        return asked

    asked = await asyncio.to_thread(flood)
    grown = resident(web.pid) - before
    await healthy.tab.hear("say: still here", seconds=20)
    report(f"pings whose answers nobody reads, {kind}", asked=asked, grown_mebibytes=grown / MEBIBYTE)
    assert grown < 12 * MEBIBYTE
    deaf.socket.close()
