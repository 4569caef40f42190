"""The controls that keep what docs/reliability.md promises of runs, of tabs, and of who shares a process with others.

Each is one replacement in one file, which takes it out, and the test that must fail then. The doors and the
housekeeping have their own in controls_of_doors.py; mutations.py does the work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A control taken out, and the test that must notice: what pytest is called with."""

    name: str
    path: str
    old: str
    new: str
    test: str


RELIABILITY = "tests/reliability"
INTEGRATION = "tests/integration"

MUTATIONS = (
    Mutation(
        "the fence of the log",
        "chat/log.py",
        "part.run_id IS NULL OR (thread.active_run_id = part.run_id AND thread.active_attempt = part.attempt)",
        "true",
        f"{RELIABILITY}/test_fencing.py",
    ),
    Mutation(
        "the fence of the checkpoints",
        "chat/agent/checkpoints.py",
        "if await fence.fetchone() is None:",
        "if await fence.fetchone() is False:",
        f"{RELIABILITY}/test_fencing.py",
    ),
    Mutation(
        "the fence of rows and pictures",
        "chat/runs/claims.py",
        "if thread is None or (thread.active_run_id, thread.active_attempt) != claim.fence:",
        "if thread is None:",
        f"{RELIABILITY}/test_giving_up.py -k handed_over",
    ),
    Mutation(
        "a claim raises the attempt",
        "chat/runs/claims.py",
        "run.attempt += 1",
        "run.attempt = 1",
        f"{RELIABILITY}/test_fencing.py -k two",
    ),
    Mutation(
        "silent workers are looked for",
        "chat/worker.py",
        "await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)",
        "pass",
        f"{RELIABILITY}/test_kills.py -k text",
    ),
    Mutation(
        "locks of frozen owners end",
        "project/postgres/__init__.py",
        "-c idle_in_transaction_session_timeout=4s ",
        "",
        f"{RELIABILITY}/test_fencing.py -k frozen",
    ),
    Mutation(
        "checkpoints' transactions end",
        "chat/agent/checkpoints.py",
        "configure=_bound_transactions,",
        "",
        f"{RELIABILITY}/test_fencing.py -k frozen",
    ),
    Mutation(
        "who waits for a lock is told so",
        "project/postgres/__init__.py",
        " -c lock_timeout=2s",
        "",
        f"{RELIABILITY}/test_held_rows.py",
    ),
    Mutation(
        "the log's writer waits for nobody",
        "chat/log.py",
        '"FOR NO KEY UPDATE SKIP LOCKED"',
        '"FOR NO KEY UPDATE"',
        f"{RELIABILITY}/test_held_rows.py",
    ),
    Mutation(
        "the answer is stored with what it stored",
        "chat/runs/requests.py",
        "        table.Insert(honoured),\n",
        "",
        f"{RELIABILITY}/test_kills.py -k ack-before",
    ),
    Mutation(
        "the answer to Stop is stored too",
        "chat/runs/requests.py",
        "_stop(thread, command.run_id)\n                table.write(table.Insert(honoured))",
        "_stop(thread, command.run_id)",
        f"{INTEGRATION}/test_api.py -k sockets_answers",
    ),
    Mutation(
        "a picture is told of once",
        "chat/runs/claims.py",
        "Image.objects.filter(id=event.image.id, announced=False)",
        "Image.objects.filter(id=event.image.id)",
        f"{RELIABILITY}/test_kills.py -k painting",
    ),
    Mutation(
        "a picture that was not told of is",
        "chat/runs/claims.py",
        "told = [*happened[:-1], *_unannounced(run, call), happened[-1]]",
        "told = [*happened]",
        f"{RELIABILITY}/test_kills.py -k painting",
    ),
    Mutation(
        "what was written is taken back at a takeover",
        "chat/execution.py",
        "await in_thread(runs.restart, claim, restarted.text, restarted.reasoning)",
        "pass",
        f"{RELIABILITY}/test_kills.py -k text",
    ),
    Mutation(
        "the feed looks at the log",
        "chat/feed.py",
        "if (topic := self._topics.get(thread_id)) is not None and topic.look(head)",
        "if (topic := self._topics.get(thread_id)) is not None and False",
        f"{RELIABILITY}/test_redis.py",
    ),
    Mutation(
        "a snapshot's place is kept in merged frames",
        "chat/feed.py",
        "if since < self.position:",
        "if False:",
        f"{RELIABILITY}/test_feed_behind.py",
    ),
    Mutation(
        "a socket's unread amount is bounded",
        "chat/flow.py",
        "return self._bytes + size <= UNRECEIVED_BYTES_MAX or not self._marks",
        "return True",
        f"{RELIABILITY}/test_slow_sockets.py -k bounded_amount_and",
    ),
    Mutation(
        "who does not read is not read from",
        "project/daphne.py",
        "self._reading.hold()",
        "pass",
        f"{RELIABILITY}/test_slow_sockets.py -k asks",
    ),
    Mutation(
        "bad frames end a socket",
        "chat/consumers/thread.py",
        "if self._bad_frames >= BAD_FRAMES_MAX:",
        "if False:",
        f"{RELIABILITY}/test_frames.py -k uvicorn",
    ),
    Mutation(
        "clients are told to come back",
        "chat/process.py",
        "    await sockets.close_all()\n",
        "",
        f"{INTEGRATION}/test_restarts.py -k told",
    ),
    Mutation(
        "durations are not negative",
        "chat/runs/rows.py",
        "call.duration_ms = max(0, int((now - call.started_at).total_seconds() * 1000))",
        "call.duration_ms = int((now - call.started_at).total_seconds() * 1000)",
        f"{RELIABILITY}/test_clocks.py",
    ),
    Mutation(
        "the last step is found by its number",
        "chat/agent/checkpoints.py",
        "(metadata ->> 'step')::int DESC, ",
        "",
        f"{RELIABILITY}/test_clocks.py",
    ),
    Mutation(
        "files of a row that was not saved are taken back",
        "chat/images.py",
        "if not _may_be_saved(image):",
        "if False:",
        f"{RELIABILITY}/test_broken_connections.py",
    ),
    Mutation(
        "files of a row that was saved stay",
        "chat/images.py",
        "if not _may_be_saved(image):",
        "if True:",
        f"{RELIABILITY}/test_broken_connections.py",
    ),
    Mutation(
        "a command is honoured once",
        "chat/runs/requests.py",
        "if known is not None:",
        "if False:",
        f"{RELIABILITY}/test_machine.py",
    ),
    Mutation(
        "a replay begins behind what the tab has",
        "chat/replay.py",
        "thread_id = thread.id AND seq > %s",
        "thread_id = thread.id AND seq >= %s",
        f"{RELIABILITY}/test_machine.py",
    ),
    Mutation(
        "a run that ends its workers ends",
        "chat/runs/claims.py",
        "if attempts.lost_in_a_row(run) >= LOST_MAX:",
        "if False:",
        f"{RELIABILITY}/test_clocks.py {RELIABILITY}/test_giving_up.py",
    ),
    Mutation(
        "what was handed over was not lost",
        "chat/runs/attempts.py",
        "next((count for count, outcome in enumerate(ends) if outcome != Run.BrokenOff.LOST), len(ends))",
        "len(ends)",
        f"{RELIABILITY}/test_giving_up.py -k handed_over",
    ),
    Mutation(
        "a hand-over is noted",
        "chat/execution.py",
        "await in_thread(runs.hand_over, claim)",
        "pass",
        f"{INTEGRATION}/test_restarts.py -k told",
    ),
    Mutation(
        "a stop begins with the signal",
        "project/lifespan.py",
        "                _begin_with_the_signal(stop)\n",
        "",
        f"{INTEGRATION}/test_restarts.py -k told",
    ),
    Mutation(
        "an append is answered when it is committed",
        "chat/prepared.py",
        "for result in self._results:",
        "for result in self._results[:1]:",
        f"{INTEGRATION}/test_prepared.py -k refused_only_at_the_commit",
    ),
    Mutation(
        "an end that is not the newest is read anew",
        "chat/agent/ends.py",
        'if end is None or end.stored.checkpoint["id"] != checkpoint_id:',
        "if end is None:",
        f"{INTEGRATION}/test_ends.py",
    ),
    Mutation(
        "a body that is too large is kept nowhere",
        "project/daphne.py",
        "http_protocol.WebRequest = _Request",
        "pass",
        f"{INTEGRATION}/test_bodies.py -k daphne",
    ),
    Mutation(
        "a body that is too large is refused",
        "project/bodies.py",
        "if received > settings.BODY_BYTES_MAX:",
        "if False:",
        f"{INTEGRATION}/test_bodies.py -k uvicorn",
    ),
    Mutation(
        "an answer that does not end is cut short",
        "chat/agent/openai_stream.py",
        "if self._room < 0 and self._finish_reason is None:",
        "if False:",
        f"{INTEGRATION}/test_cut_short.py -k uvicorn",
    ),
    Mutation(
        "a checkpoint is sent whole before its sync",
        "chat/agent/checkpoints.py",
        "await connection.wait(generators.send(connection.pgconn))",
        "pass",
        f"{INTEGRATION}/test_checkpoints.py -k larger",
    ),
)
