"""A worker that is asked to stop: its runs go on elsewhere at once, and it is gone soon."""

from __future__ import annotations

import itertools
import signal
import time
from datetime import datetime
from typing import Any

from tests.client import Frame, Person
from tests.conftest import StartServer, StartWorker
from tests.reliability.watching import Watcher, agree, until
from tests.services.databases import Database
from tests.site import outcomes
from tests.soak.figures import report


async def test_a_worker_that_is_asked_to_stop_hands_its_runs_to_another_at_once(
    server: StartServer, worker: StartWorker, redis_url: str, database: Database, ada: Person
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "60"}
    web = await server("uvicorn", **env)
    first, second = await worker(**env), await worker(**env)
    await until(
        lambda: len(database.query("SELECT id FROM procrastinate_workers")) == 2, "workers", seconds=30
    )
    second.send_signal(signal.SIGSTOP)  # so that the first one gets the runs
    person = ada.at(web.url)
    watchers = [await Watcher(person, await person.thread()).connect() for _ in range(3)]
    acks = []
    for watcher in watchers:
        assert watcher.tab
        acks.append(await watcher.tab.say("count to 230"))
    for watcher in watchers:
        assert watcher.tab
        await watcher.tab.until("assistant_delta", seconds=30)
    second.send_signal(signal.SIGCONT)
    began = time.monotonic()
    assert await first.stopped() == 0
    exited_seconds = time.monotonic() - began
    for watcher, ack in zip(watchers, acks, strict=True):
        await watcher.state_of(ack["run_id"], seconds=40)
        await agree([watcher], person)
        assert watcher.tab
        assert watcher.tab.state.texts[-1] == " ".join(str(number) for number in range(1, 231))
        (recovered,) = (event for event in watcher.events if event["type"] == "run_recovered")
        assert recovered["run"]["recovered"]
        assert outcomes(database, ack["run_id"]) == ["handed_over", "completed"]
    assert second.alive
    longest = max(silence(watcher.events) for watcher in watchers)
    report("hand-over by SIGTERM", exited_seconds=exited_seconds, longest_silence_seconds=longest)
    assert exited_seconds < 20
    assert longest < 3


def silence(events: list[Frame]) -> float:
    """The longest time between two events of a run."""
    moments = [datetime.fromisoformat(event["at"]) for event in events if "run_id" in event]
    started = next(place for place, event in enumerate(events) if event["type"] == "run_started")
    moments = moments[started:]
    return max((b - a).total_seconds() for a, b in itertools.pairwise(moments))
