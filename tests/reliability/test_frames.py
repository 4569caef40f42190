"""Malformed frames by the thousand on live sockets: each gets its error, and nobody else notices."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid

import pytest

from chat.consumers.thread import BAD_FRAMES_MAX
from tests.client import Person, Tab
from tests.conftest import StartServer
from tests.reliability.frames_unlike import malformed
from tests.reliability.test_slow_sockets import MEBIBYTE, resident
from tests.reliability.watching import Watcher, agree
from tests.services.app import Kind
from tests.services.databases import Database
from tests.soak.figures import MALFORMED_FRAMES, report

SOCKETS = 4


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_malformed_frames_change_nothing_and_disturb_nobody(
    kind: Kind, server: StartServer, database: Database, ada: Person
) -> None:
    web = await server(kind, LIMIT_COMMANDS_PER_MINUTE="100000000")
    person = ada.at(web.url)
    healthy = await Watcher(person, await person.thread()).connect()
    assert healthy.tab
    await healthy.tab.hear("say: warm")
    target = await person.thread()
    await flood_politely(await person.ready(target), 1, 500)
    before = resident(web.pid)
    began = time.monotonic()
    turns: list[float] = []

    async def talk() -> None:
        while True:
            asked = time.monotonic()
            assert healthy.tab
            await healthy.tab.hear("say: still here", seconds=20)
            turns.append(time.monotonic() - asked)

    talking = asyncio.ensure_future(talk())
    tabs = [await person.ready(target) for _ in range(SOCKETS)]
    await asyncio.gather(
        *(flood_politely(tab, seed, MALFORMED_FRAMES // 2 // SOCKETS) for seed, tab in enumerate(tabs, 2))
    )
    talking.cancel()
    seconds = time.monotonic() - began
    grown = resident(web.pid) - before
    assert database.query("SELECT last_seq FROM chat_thread WHERE id = %s", uuid.UUID(target)) == [(0,)]
    assert "Traceback" not in web.log()
    await agree([healthy], person)
    report(
        f"malformed frames, {kind}",
        frames=MALFORMED_FRAMES // 2,
        a_second=MALFORMED_FRAMES / 2 / seconds,
        grown_mebibytes=grown / MEBIBYTE,
        slowest_turn_seconds=max(turns),
    )
    assert grown < 24 * MEBIBYTE
    assert max(turns) < 3
    # And one that does nothing else is shown out.
    flooding = await person.ready(target)
    for frame in itertools.islice(malformed(99), BAD_FRAMES_MAX):
        await flooding.write(frame)
    assert await flooding.closed() == 4400


async def flood_politely(tab: Tab, seed: int, count: int) -> None:
    """Send so many, each answered by an error, with a good frame now and then, so that the socket lives."""
    frames = malformed(seed)
    batch = BAD_FRAMES_MAX - 1
    for _ in range(0, count, batch):
        answered = len(tab.frames)
        for frame in itertools.islice(frames, batch):
            await tab.write(frame)
        await tab.ask("ping", seconds=30)
        codes = [frame["code"] for frame in tab.frames[answered:] if frame["type"] == "error"]
        assert len(codes) == batch, tab.frames[answered:]
        assert set(codes) <= {"invalid_frame", "unknown_command", "invalid_field", "frame_too_large"}
        del tab.frames[:]
        tab._looked_at = 0
