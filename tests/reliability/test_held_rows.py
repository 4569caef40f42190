"""A row that somebody holds: its thread waits and says so; the others' events do not."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid

import psycopg
import pytest

from tests.client import Person, Refused
from tests.conftest import StartServer
from tests.reliability.watching import Watcher, agree
from tests.services.databases import Database
from tests.soak.figures import percentile, report


async def test_a_held_thread_delays_no_other_thread(
    server: StartServer, database: Database, ada: Person
) -> None:
    web = await server("daphne", DEMO_TOKENS_PER_SECOND="50")
    person = ada.at(web.url)
    held, streaming, free = [await Watcher(person, await person.thread()).connect() for _ in range(3)]
    assert held.tab
    assert streaming.tab
    assert free.tab
    acks = [await one.tab.say("count to 220") for one in (held, free, streaming) if one.tab]
    for one in (held, free, streaming):
        assert one.tab
        await one.tab.until("assistant_delta", seconds=20)
    arrivals: list[float] = []
    async with await psycopg.AsyncConnection.connect(database.url) as holder:
        thread_id = uuid.UUID(held.thread_id)
        await holder.execute("SELECT 1 FROM chat_thread WHERE id = %s FOR UPDATE", (thread_id,))
        began = time.monotonic()
        refused = asyncio.ensure_future(held.tab.say("say: never", seconds=8))
        seen = len(streaming.tab.frames)
        while time.monotonic() < began + 3:
            await streaming.tab.where(lambda frame: frame["type"] == "assistant_delta", seconds=10)
            while seen < len(streaming.tab.frames):
                arrivals.append(time.monotonic())
                seen = len(streaming.tab.frames)
        with pytest.raises(Refused) as problem:
            await refused
        refused_seconds = time.monotonic() - began
        assert problem.value.code == "unavailable"
        await holder.rollback()
    gaps = [b - a for a, b in itertools.pairwise(arrivals)]
    report(
        "beside a held thread",
        p95_gap_ms=1000 * percentile(gaps, 0.95),
        longest_gap_ms=1000 * max(gaps),
        refused_after_seconds=refused_seconds,
    )
    assert refused_seconds < 5
    assert percentile(gaps, 0.95) < 0.2
    assert max(gaps) < 1
    for one, ack in zip((held, free, streaming), acks, strict=True):
        await one.state_of(ack["run_id"], seconds=40)
        await agree([one], person)
        assert one.tab
        assert one.tab.state.texts[-1] == " ".join(str(number) for number in range(1, 221))
