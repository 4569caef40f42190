"""A worker that is frozen past its lease and wakes up writes nothing more; of two that take a run, one goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from pathlib import Path
from typing import Any

from tests.client import Person
from tests.conftest import StartServer, StartWorker
from tests.reliability.conftest import StartDoomed
from tests.reliability.test_kills import Turn, check, heartbeats, waiting_jobs
from tests.reliability.watching import Watcher, until
from tests.services.databases import Database
from tests.soak.figures import report

FROZEN = (
    "token@2:stop",
    "append-before@3:stop",
    "checkpoint-in@3:stop",
    "checkpoint-within@3:stop",
    "checkpoint-before@3:stop",
    "tool-middle:stop",
    "effect-files:stop",
    "effect-in:stop",
    "image-before:stop",
    "noted-before:stop",
    "complete-before:stop",
    "token@3:hang",
)
FROZEN_IN_RESCUE = "rescue-in@2:stop"
TABLES = {
    "chat_event": "thread_id, seq, type, md5(body)",
    "chat_message": "id, text, status, checkpoint_id",
    "chat_run": "id, status, attempt",
    "chat_toolcall": "run_id, tool_call_id, status, result",
    "chat_image": "id, run_id, tool_call_id, announced",
    "checkpoints": "thread_id, checkpoint_id, md5(checkpoint::text)",
    "checkpoint_blobs": "thread_id, channel, version",
    "checkpoint_writes": "thread_id, checkpoint_id, task_id, idx",
}


async def test_a_worker_that_was_frozen_anywhere_past_its_lease_writes_nothing_when_it_wakes_up(
    server: StartServer,
    worker: StartWorker,
    doomed: StartDoomed,
    redis_url: str,
    database: Database,
    ada: Person,
    tmp_path: Path,
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "100"}
    web = await server("uvicorn", **env)
    rescuer = await worker(**env)
    frozen = doomed("worker", *FROZEN, CHAT_CONCURRENCY="1", **env)
    await frozen.forked()
    await until(lambda: len(heartbeats(database)) >= len(FROZEN), "workers", seconds=30)
    rescuer.send_signal(signal.SIGSTOP)
    said = "paint a small red fox in square format"
    turns = []
    for _ in FROZEN:
        watcher = await Watcher(ada.at(web.url), await ada.at(web.url).thread()).connect()
        assert watcher.tab
        ack = await watcher.tab.say(said)
        turns.append(Turn(watcher, ack["message_id"], ack["run_id"]))
    await until(lambda: waiting_jobs(database) == 0, "job for everyone", seconds=20)
    # Begun when the others have their runs: it might take one and bring it to its end before it looks for the silent.
    in_rescue = doomed("worker", FROZEN_IN_RESCUE, CHAT_CONCURRENCY="1", **env)
    await in_rescue.acted()
    rescuer.send_signal(signal.SIGCONT)
    await frozen.acted()
    try:
        await asyncio.gather(*(one.watcher.state_of(one.run_id, seconds=60) for one in turns))
        await until(lambda: waiting_jobs(database) == 0, "titles", seconds=20)
        await until(lambda: titled(database), "titles", seconds=20)
        # All is done while they sleep; what they still write would be seen as a difference.
        before = contents(database)
    finally:
        woken_at = time.time()
        for pid, spec in {**frozen.pids(), **in_rescue.pids()}.items():
            if spec.endswith(":stop"):
                signal.pidfd_send_signal(_pidfd(pid), signal.SIGCONT)
    # They live again, with new heartbeats, for long enough to have come behind the place where they were frozen.
    await until(lambda: beating_since(database, woken_at + 4) > len(FROZEN), "heartbeat of each", seconds=40)
    await until(
        lambda: not database.query("SELECT id FROM procrastinate_jobs"), "end of all jobs", seconds=20
    )
    after = contents(database)
    for table in TABLES:
        assert after[table] == before[table], table
    # No row lacks its files, and no file its row: who woke up took back what it had written.
    await until(lambda: stored(tmp_path) == named(database), "end of what they clean up", seconds=10)
    await check(turns, said, database)
    report("frozen workers that woke up", zombies=len(FROZEN) + 1, writes=0)


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: database.query(f"SELECT {columns} FROM {table} ORDER BY {columns}")
        for table, columns in TABLES.items()
    }


def stored(directory: Path) -> set[str]:
    return {path.name for path in (directory / "media" / "images").iterdir()}


def named(database: Database) -> set[str]:
    rows = database.query("SELECT file, thumbnail FROM chat_image")
    return {Path(str(name)).name for row in rows for name in row}


def titled(database: Database) -> bool:
    return not database.query("SELECT id FROM chat_thread WHERE title = ''")


def beating_since(database: Database, moment: float) -> int:
    sql = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > to_timestamp(%s)"
    ((count,),) = database.query(sql, moment)
    return int(count)


def _pidfd(pid: int) -> int:
    import os

    return os.pidfd_open(pid)


async def test_of_two_workers_with_the_same_run_one_goes_on(
    server: StartServer, worker: StartWorker, redis_url: str, database: Database, ada: Person
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "60"}
    web = await server("uvicorn", **env)
    await worker(CHAT_CONCURRENCY="1", **env)
    await worker(CHAT_CONCURRENCY="1", **env)
    person = ada.at(web.url)
    watcher = await Watcher(person, await person.thread()).connect()
    assert watcher.tab
    await until(lambda: len(heartbeats(database)) == 2, "workers", seconds=30)
    ack = await watcher.tab.say("count to 150")
    await watcher.tab.until("assistant_delta", seconds=20)
    database.query(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'chat.execute', %s)",
        json.dumps({"run_id": ack["run_id"]}),
    )
    await watcher.state_of(ack["run_id"], seconds=30)
    turn = Turn(watcher, ack["message_id"], ack["run_id"])
    await check([turn], "count to 150", database)
    assert watcher.tab.state.texts[-1] == " ".join(str(number) for number in range(1, 151))
    ((attempts,),) = database.query("SELECT attempts FROM chat_run WHERE id = %s", uuid.UUID(ack["run_id"]))
    *others, last = [attempt["outcome"] for attempt in attempts]
    assert others
    assert set(others) == {"lost"}
    assert last == "completed"
