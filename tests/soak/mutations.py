"""Shows that every control is needed: takes each out of a copy of the project, and sees its test fail.

    python -m tests.soak.mutations [NAME...]

Each mutation is a replacement in one file. The copy lies in a temporary folder, with a database server of its own.
Ends with 1 when a test does not notice, or when a mutation fits its file no more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("chat", "project", "templates", "static", "tests", "manage.py", "pyproject.toml", "package.json")
LINKED = (".venv", "node_modules")
SECONDS = 240


@dataclass(frozen=True)
class Mutation:
    """A control taken out, and the test that must notice."""

    name: str
    path: str
    old: str
    new: str
    test: str


R = "tests/reliability"
MUTATIONS = (
    Mutation(
        "the fence of the log",
        "chat/log.py",
        "part.run_id IS NULL OR (thread.active_run_id = part.run_id AND thread.active_attempt = part.attempt)",
        "true",
        f"{R}/test_fencing.py",
    ),
    Mutation(
        "the fence of the checkpoints",
        "chat/agent/checkpoints.py",
        "if await fence.fetchone() is None:",
        "if await fence.fetchone() is False:",
        f"{R}/test_fencing.py",
    ),
    Mutation(
        "the fence of rows and pictures",
        "chat/runs/claims.py",
        "if thread is None or (thread.active_run_id, thread.active_attempt) != claim.fence:",
        "if thread is None:",
        f"{R}/test_fencing.py",
    ),
    Mutation(
        "a claim raises the attempt",
        "chat/runs/claims.py",
        "run.attempt += 1",
        "run.attempt = 1",
        f"{R}/test_fencing.py -k two",
    ),
    Mutation(
        "silent workers are looked for",
        "chat/worker.py",
        "await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)",
        "pass",
        f"{R}/test_kills.py -k text",
    ),
    Mutation(
        "locks of frozen owners end",
        "project/postgres/__init__.py",
        "-c idle_in_transaction_session_timeout=4s ",
        "",
        f"{R}/test_fencing.py -k frozen",
    ),
    Mutation(
        "checkpoints' transactions end",
        "chat/agent/checkpoints.py",
        "configure=_bound_transactions,",
        "",
        f"{R}/test_fencing.py -k frozen",
    ),
    Mutation(
        "who waits for a lock is told so",
        "project/postgres/__init__.py",
        " -c lock_timeout=2s",
        "",
        f"{R}/test_held_rows.py",
    ),
    Mutation(
        "the log's writer waits for nobody",
        "chat/log.py",
        '"FOR NO KEY UPDATE SKIP LOCKED"',
        '"FOR NO KEY UPDATE"',
        f"{R}/test_held_rows.py",
    ),
    Mutation(
        "the answer is stored with what it stored",
        "chat/runs/requests.py",
        "table.write(table.Insert(honoured))",
        "str(honoured)",
        f"{R}/test_kills.py -k ack-before",
    ),
    Mutation(
        "a picture is told of once",
        "chat/runs/claims.py",
        "Image.objects.filter(id=event.image.id, announced=False)",
        "Image.objects.filter(id=event.image.id)",
        f"{R}/test_kills.py -k painting",
    ),
    Mutation(
        "a picture that was not told of is",
        "chat/runs/claims.py",
        "told = [*happened[:-1], *_unannounced(run, call), happened[-1]]",
        "told = [*happened]",
        f"{R}/test_kills.py -k painting",
    ),
    Mutation(
        "what was written is taken back at a takeover",
        "chat/execution.py",
        "await in_thread(runs.restart, claim, restarted.text, restarted.reasoning)",
        "pass",
        f"{R}/test_kills.py -k text",
    ),
    Mutation(
        "the feed looks at the log",
        "chat/feed.py",
        "if (topic := self._topics.get(thread_id)) is not None and topic.look(head)",
        "if (topic := self._topics.get(thread_id)) is not None and False",
        f"{R}/test_redis.py",
    ),
    Mutation(
        "a snapshot's place is kept in merged frames",
        "chat/feed.py",
        "if since < self.position:",
        "if False:",
        f"{R}/test_feed_behind.py",
    ),
    Mutation(
        "a socket's unread amount is bounded",
        "chat/flow.py",
        "return self._bytes + size <= UNRECEIVED_BYTES_MAX or not self._marks",
        "return True",
        f"{R}/test_slow_sockets.py -k bounded_amount_and",
    ),
    Mutation(
        "who does not read is not read from",
        "project/daphne.py",
        "self._reading.hold()",
        "pass",
        f"{R}/test_slow_sockets.py -k asks",
    ),
    Mutation(
        "bad frames end a socket",
        "chat/consumers/thread.py",
        "if self._bad_frames >= BAD_FRAMES_MAX:",
        "if False:",
        f"{R}/test_frames.py -k uvicorn",
    ),
    Mutation(
        "clients are told to come back",
        "chat/process.py",
        "    await sockets.close_all()\n",
        "",
        "tests/integration/test_restarts.py -k told",
    ),
    Mutation(
        "durations are not negative",
        "chat/runs/rows.py",
        "call.duration_ms = max(0, int((now - call.started_at).total_seconds() * 1000))",
        "call.duration_ms = int((now - call.started_at).total_seconds() * 1000)",
        f"{R}/test_clocks.py",
    ),
    Mutation(
        "the last step is found by its number",
        "chat/agent/checkpoints.py",
        "(metadata ->> 'step')::int DESC, ",
        "",
        f"{R}/test_clocks.py",
    ),
    Mutation(
        "files of a row that was not saved are taken back",
        "chat/images.py",
        "if not _may_be_saved(image):",
        "if False:",
        f"{R}/test_broken_connections.py",
    ),
    Mutation(
        "files of a row that was saved stay",
        "chat/images.py",
        "if not _may_be_saved(image):",
        "if True:",
        f"{R}/test_broken_connections.py",
    ),
    Mutation(
        "a command is honoured once",
        "chat/runs/requests.py",
        "if known is not None:",
        "if False:",
        f"{R}/test_machine.py",
    ),
    Mutation(
        "a replay begins behind what the tab has",
        "chat/replay.py",
        "thread_id = thread.id AND seq > %s",
        "thread_id = thread.id AND seq >= %s",
        f"{R}/test_machine.py",
    ),
    Mutation(
        "a run that ends its workers ends",
        "chat/runs/claims.py",
        "if _lost_in_a_row(run) >= LOST_MAX:",
        "if False:",
        f"{R}/test_clocks.py {R}/test_giving_up.py",
    ),
    Mutation(
        "an append is answered when it is committed",
        "chat/prepared.py",
        "                self._results.append(result)\n",
        "                self._results.append(result)\n"
        "                if self._answered is not None and not self._answered.done():\n"
        "                    self._answered.set_result(None)\n",
        "tests/integration/test_prepared.py",
    ),
    Mutation(
        "an end that is not the newest is read anew",
        "chat/agent/ends.py",
        'if end is None or end.stored.checkpoint["id"] != checkpoint_id:',
        "if end is None:",
        "tests/integration/test_ends.py",
    ),
    Mutation(
        "a body that is too large is kept nowhere",
        "project/daphne.py",
        "http_protocol.WebRequest = _Request",
        "pass",
        "tests/integration/test_bodies.py -k daphne",
    ),
    Mutation(
        "a body that is too large is refused",
        "project/bodies.py",
        "if received > settings.BODY_BYTES_MAX:",
        "if False:",
        "tests/integration/test_bodies.py -k uvicorn",
    ),
    Mutation(
        "an answer that does not end is cut short",
        "chat/agent/openai_stream.py",
        "if self._room < 0 and self._finish_reason is None:",
        "if False:",
        "tests/integration/test_cut_short.py -k uvicorn",
    ),
    Mutation(
        "a checkpoint is sent whole before its sync",
        "chat/agent/checkpoints.py",
        "await connection.wait(generators.send(connection.pgconn))",
        "pass",
        "tests/integration/test_checkpoints.py -k larger",
    ),
)


def copy(to: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)
    for name in LINKED:
        (to / name).symlink_to(ROOT / name)


def run(test: str, mutation: Mutation | None = None) -> tuple[int, str]:
    """How the test ends in a copy (pytest's exit code, and why), with the control taken out."""
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
        to = Path(folder)
        copy(to)
        if mutation is not None:
            changed = to / mutation.path
            text = changed.read_text()
            if mutation.old not in text:
                raise LookupError(f"{mutation.name}: {mutation.path} has no {mutation.old!r}")
            changed.write_text(text.replace(mutation.old, mutation.new))
        paths, *options = test.split(" -k ")
        command = [sys.executable, "-m", "pytest", "-x", "-q", *paths.split()]
        if options:
            command += ["-k", options[0]]
        env = {**os.environ, "PYTHONPATH": folder}
        try:
            done = subprocess.run(
                command, cwd=to, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return 1, f"not over after {SECONDS} s"
        why = next((line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E  ")), "")
        return done.returncode, why[:110]


def main(*names: str) -> int:
    code, why = run(f"{R}/test_clocks.py {R}/test_giving_up.py {R}/test_feed_behind.py")
    if code != 0:
        raise SystemExit(f"the copy does not work: {why}")
    missed = 0
    for mutation in MUTATIONS:
        if names and not any(name in mutation.name for name in names):
            continue
        code, why = run(mutation.test, mutation)
        missed += code != 1
        print(
            f"{'noticed' if code == 1 else 'MISSED '} without: {mutation.name} ({mutation.test}): {why}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
