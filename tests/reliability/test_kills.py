"""Workers and web processes killed at every named place: the run ends by itself, everything is there once."""

from __future__ import annotations

import asyncio
import itertools
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from chat.agent.tools.generate_image import REPEATED
from tests.client import Frame, Person
from tests.conftest import StartServer, StartWorker
from tests.fakes.openai_server import FakeOpenAI
from tests.reliability.conftest import Doomed, StartDoomed
from tests.reliability.watching import Watcher, agree, state_at, until
from tests.services.app import Worker
from tests.services.databases import Database
from tests.soak.figures import LONG, count, percentile, report, took_over

TEXT = (
    "claim-before",
    "claim-after",
    "token",
    "token@4",
    "append-before@2",
    "append-after@3",
    "checkpoint-before",
    "checkpoint-after@2",
    "complete-before",
    "complete-after",
    "prune-before",
    "prune-after",
)
PAINT = (
    "checkpoint-before@3",
    "call-before",
    "call-after",
    "tool-start",
    "tool-middle",
    "effect-before",
    "effect-files",
    "effect-after",
    "image-before",
    "image-after",
    "image-untold",
    "result-before",
    "result-after",
    "noted-before",
    "noted-after",
)
PICTURE = "a small red fox in square format"
ASKED = {
    "tool-start": (1, False),
    "tool-middle": (2, True),
    "effect-before": (2, True),
    "effect-after": (1, False),
}
"""By where its first worker dies: how often an outside painter is asked for a picture, and whether the call says so."""


@dataclass
class Turn:
    """One message and what became of it."""

    watcher: Watcher
    message_id: str
    run_id: str


@pytest.mark.parametrize(
    ("specs", "said"),
    [(TEXT, "count to 60"), (PAINT, f"paint {PICTURE}")],
    ids=["in a text", "in a painting"],
)
async def test_a_run_outlives_a_worker_that_is_killed_at_any_place(
    specs: tuple[str, ...],
    said: str,
    server: StartServer,
    worker: StartWorker,
    doomed: StartDoomed,
    redis_url: str,
    database: Database,
    ada: Person,
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "100"}
    web = await server("uvicorn", **env)
    rescuer = await worker(**env)
    workers = doomed("worker", *specs, CHAT_CONCURRENCY="1", **env)
    turns = await _outlived(workers, rescuer, ada.at(web.url), [said] * len(specs), database)
    await check(turns, said, database)

    hits = workers.hits()
    waits = takeovers(database, {pid: hits[spec] for pid, spec in workers.pids().items()})
    assert max(waits) < 10, waits
    took_over(waits)
    count(kills_survived=len(specs))
    report(
        "kills of workers",
        survived=len(specs),
        takeover_p50_seconds=percentile(waits, 0.5),
        takeover_p99_seconds=percentile(waits, 0.99),
    )


async def test_an_outside_painter_is_asked_again_only_for_what_was_not_kept_and_the_call_says_so(
    server: StartServer,
    worker: StartWorker,
    doomed: StartDoomed,
    redis_url: str,
    database: Database,
    ada: Person,
) -> None:
    prompts = [f"fox number {number}" for number in range(len(ASKED))]
    async with FakeOpenAI() as openai:
        env: dict[str, Any] = {
            "REDIS_URL": redis_url,
            "CHAT_WORKER": "external",
            "OPENAI_BASE_URL": openai.base_url,
            "IMAGE_BACKEND": "openai",
        }
        web = await server("uvicorn", **env)
        rescuer = await worker(**env)
        workers = doomed("worker", *ASKED, CHAT_CONCURRENCY="1", **env)
        said = [f"paint {prompt}" for prompt in prompts]
        turns = await _outlived(workers, rescuer, ada.at(web.url), said, database)
        died_at = workers.pids()
        came_to = {}
        for prompt, one in zip(prompts, turns, strict=True):
            await check([one], f"paint {prompt}", database)
            ((attempts, result),) = database.query(
                "SELECT run.attempts, call.result FROM chat_run AS run"
                " JOIN chat_toolcall AS call ON call.run_id = run.id WHERE run.id = %s",
                uuid.UUID(one.run_id),
            )
            came_to[died_at[_pid(attempts[0])]] = (openai.count(prompt), REPEATED in result)
        assert came_to == ASKED
    count(kills_survived=len(ASKED))


async def test_a_takeover_a_rescue_and_a_title_outlive_their_worker_too(
    server: StartServer,
    worker: StartWorker,
    doomed: StartDoomed,
    redis_url: str,
    database: Database,
    ada: Person,
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "100"}
    web = await server("uvicorn", **env)
    first = doomed("worker", "token@2", "token@3", "title-before", "title-after", CHAT_CONCURRENCY="1", **env)
    await first.forked()
    turns = await asyncio.gather(*(_turn(ada.at(web.url), "count to 60") for _ in first.specs))
    await first.acted()
    second = doomed("worker", "restart-before", "restart-after", "rescue-in@2", CHAT_CONCURRENCY="1", **env)
    await second.acted()
    await worker(**env)
    await asyncio.gather(*(one.watcher.state_of(one.run_id, seconds=60) for one in turns))
    await check(turns, "count to 60", database)
    await until(lambda: untitled(database) == 0, "titles", seconds=20)
    count(kills_survived=len(first.specs) + len(second.specs))


async def _outlived(
    workers: Doomed, rescuer: Worker, person: Person, said: Sequence[str], database: Database
) -> list[Turn]:
    """Each of the workers gets one of these messages and dies of it; the turns, when the rescuer has ended them."""
    await workers.forked()
    await until(lambda: len(heartbeats(database)) == len(said) + 1, "workers", seconds=30)
    rescuer.send_signal(signal.SIGSTOP)  # so that each of the others gets one of the runs
    turns = await asyncio.gather(*(_turn(person, text) for text in said))
    await until(lambda: waiting_jobs(database) == 0, "job for everyone", seconds=20)
    rescuer.send_signal(signal.SIGCONT)
    await workers.acted()
    await asyncio.gather(*(one.watcher.state_of(one.run_id, seconds=60) for one in turns))
    return turns


async def _turn(person: Person, said: str) -> Turn:
    watcher = await Watcher(person, await person.thread()).connect()
    assert watcher.tab
    ack = await watcher.tab.say(said)
    return Turn(watcher, ack["message_id"], ack["run_id"])


async def check(turns: list[Turn], said: str, database: Database) -> None:
    """Every run is complete, and all of it is there once, in every way to look at it."""
    texts = set()
    for one in turns:
        assert one.watcher.tab
        state = one.watcher.tab.state
        assert state.runs[one.run_id]["status"] == "completed", state.runs[one.run_id]
        await agree([one.watcher], one.watcher.person)
        answer = state.last
        texts.add(answer["text"])
        # It was so before it was said to be complete: nobody saw anything twice. Deltas that were let go before they
        # were heard leave a gap in the numbers; what they said comes with the whole answer.
        done = next(
            event["seq"]
            for event in one.watcher.events
            if event["type"] == "message_completed" and event["message"]["id"] == answer["id"]
        )
        before = state_at(one.watcher.frames, done - 1).messages[answer["id"]]["text"]
        assert answer["text"].startswith(before)
        assert before == answer["text"] or jumps(one.watcher.events, done)
        told = [event["type"] for event in one.watcher.events]
        calls = len(answer["tool_calls"])
        assert calls == told.count("image_ready") == said.startswith("paint"), told
        # A tool whose result was told, but not stored, when its worker died is run again, and is shown to be.
        assert calls <= told.count("tool_call_started") <= 2 * calls, told
        assert told.count("tool_call_completed") == told.count("tool_call_started"), told
        assert told.count("message_completed") == told.count("run_completed") == 1, told
        run_id = uuid.UUID(one.run_id)
        assert database.query("SELECT count(*) FROM chat_message WHERE run_id = %s", run_id) == [(2,)]
        assert database.query("SELECT count(*) FROM chat_image WHERE run_id = %s", run_id) == [(calls,)]
    assert len(texts) == 1, texts
    assert stuck(database) == 0


def jumps(events: list[Frame], until: int) -> bool:
    """Whether a number is missing among those up to this one."""
    heard: list[int] = [event["seq"] for event in events if event["seq"] <= until]
    return len(heard) < heard[-1] - heard[0] + 1


def takeovers(
    database: Database, killed: dict[int, float], thread_id: uuid.UUID | None = None
) -> list[float]:
    """How long after the death of each of these processes a run of theirs was at work again."""
    waits = []
    sql = "SELECT attempts FROM chat_run WHERE thread_id = coalesce(%s, thread_id)"
    for (attempts,) in database.query(sql, thread_id):
        for lost, again in itertools.pairwise(attempts):
            died = killed.get(_pid(lost))
            if died is not None:
                waits.append(datetime.fromisoformat(again["started_at"]).timestamp() - died)
    return waits


def _pid(attempt: dict[str, Any]) -> int:
    """Which process made it."""
    return int(attempt["worker"].rsplit(":", 1)[1])


def stuck(database: Database) -> int:
    ((count,),) = database.query(
        "SELECT count(*) FROM chat_run WHERE status IN ('queued', 'running', 'interrupted')"
    )
    return int(count)


def waiting_jobs(database: Database) -> int:
    ((count,),) = database.query(
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND attempts = 0"
    )
    return int(count)


def heartbeats(database: Database) -> list[tuple[Any, ...]]:
    return database.query("SELECT id FROM procrastinate_workers")


def untitled(database: Database) -> int:
    ((count,),) = database.query("SELECT count(*) FROM chat_thread WHERE title = ''")
    return int(count)


ACKS = [("daphne", "ack-before"), ("uvicorn", "ack-after")]
if LONG:
    ACKS += [("uvicorn", "ack-before"), ("daphne", "ack-after"), ("daphne", "ack-before-commit")]


@pytest.mark.parametrize(("kind", "place"), ACKS)
async def test_a_command_is_honoured_once_though_its_web_process_is_killed_around_the_ack(
    kind: str,
    place: str,
    server: StartServer,
    doomed: StartDoomed,
    redis_url: str,
    database: Database,
    ada: Person,
) -> None:
    dying = doomed(kind, place, REDIS_URL=redis_url, CHAT_WORKER="inline")
    other = await server("uvicorn", REDIS_URL=redis_url)
    person = ada.at(other.url)
    watcher = await Watcher(person, await person.thread()).connect()
    await dying.forked()
    sender = await Watcher(ada.at(dying.url), watcher.thread_id).connect(seconds=30)
    assert sender.tab
    id_ = str(uuid.uuid4())
    await sender.tab.write({"type": "send_message", "id": id_, "text": "say: once"})
    await dying.acted(place)
    await sender.tab.closed() if sender.tab.close_code is None else None
    assert [frame["type"] for frame in sender.frames].count("ack") == (place == "ack-after")
    assert dying._running().wait() == -signal.SIGKILL
    await sender.connect(person)
    ack = await sender.tab.ask("send_message", id=id_, text="say: once")
    await watcher.state_of(ack["run_id"], seconds=20)
    await agree([watcher, sender], person)
    assert watcher.tab
    assert watcher.tab.state.texts == ["say: once", "once"]
    assert database.query("SELECT count(*) FROM chat_run") == [(1,)]
    count(kills_survived=1)
