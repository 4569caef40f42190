"""A state machine: people send, edit, stop, drop, reload and sign out while processes die; against a model of the log.

Hypothesis chooses what happens, and tells a failure as the shortest program that still fails. After every step every
open tab holds what somebody gets who comes now, and what any tab was ever told stands in the log, once. In the end all
that was acknowledged is there, once, and ended as it must.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chat import events
from tests.client import Frame, Person, Refused, open_tab
from tests.conftest import StartServer
from tests.reliability.test_kills import takeovers
from tests.reliability.watching import Watcher, agree, until
from tests.services.app import WebServer
from tests.services.databases import Database
from tests.site import cookies_of, csrf_of, new_person, signed_in
from tests.soak.figures import CHANCE_SECONDS, LONG, count, report, took_over

T = TypeVar("T")

PASSWORD = "correct horse battery"
TABS_MAX = 5
SHRINKING_SECONDS = 90
"""A step costs real time here: so long for a shorter program, once one has failed."""

RUN_ENDS = ("completed", "failed", "stopped")


@dataclass
class Sent:
    """A message that was acknowledged, and what its answer must be: all of it, or a beginning where it was stopped."""

    command: dict[str, Any]
    message_id: str
    run_id: str
    answer: str

    @property
    def text(self) -> str:
        return str(self.command["text"])


@dataclass
class Model:
    """What must be so whatever happens."""

    sent: list[Sent] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    """The runs whose stop was acknowledged."""
    may_be_stopped: set[str] = field(default_factory=set)
    """Those that a message stopped, if they were unfinished when it came."""
    log: dict[int, Frame] = field(default_factory=dict)
    """What any tab was told under each number."""


@dataclass
class World:
    """Two servers with a worker each, which outlive the examples, and the event loop in which all is done to them."""

    loop: asyncio.Runner
    webs: list[WebServer]
    database: Database
    steps: int = 0
    kills: int = 0
    waits: list[float] = field(default_factory=list)


AT = st.integers(0, 1)
WORDS = st.one_of(
    st.integers(1, 120).map(lambda number: f"count to {number}"),
    st.sampled_from(["say: é 🦊", "say: **bold** <b>", "say: one\n\ntwo"]),
)


def answer_to(text: str) -> str:
    """What the demo model says."""
    if text.startswith("say: "):
        return text.removeprefix("say: ")
    return " ".join(map(str, range(1, int(text.rpartition(" ")[2]) + 1)))


class Machine(RuleBasedStateMachine):
    """One person with one thread, on two servers."""

    tabs: Bundle[Watcher] = Bundle("tabs")
    sent: Bundle[Sent] = Bundle("sent")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = Model()
        self.watchers: list[Watcher] = []
        self.down: int | None = None
        self.killed: dict[int, float] = {}
        urls = [web.url for web in world.webs]
        person = new_person(world.database, urls[0], PASSWORD)
        self.people = [person.at(url) for url in urls]
        self.thread_id = self._do(self._at(0).thread())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.world.loop.run(work)

    def _at(self, wanted: int) -> Person:
        """The person at this server, or at the other where it is down."""
        return self.people[wanted if wanted != self.down else 1 - wanted]

    # What people do.

    @initialize(target=tabs)
    def open_tabs(self) -> MultipleResults[Watcher]:
        return multiple(self._open_tab(0), self._open_tab(1))

    @initialize(target=sent, text=WORDS)
    def begin(self, text: str) -> Sent:
        return self._send(0, text=text)

    @rule(target=tabs, at=AT)
    @precondition(lambda self: len(self.watchers) < TABS_MAX)
    def open_tab(self, at: int) -> Watcher:
        return self._open_tab(at)

    def _open_tab(self, at: int) -> Watcher:
        self.watchers.append(self._do(Watcher(self._at(at), self.thread_id).connect()))
        return self.watchers[-1]

    @rule(tab=tabs)
    def drop(self, tab: Watcher) -> None:
        self._do(tab.drop())

    @rule(tab=tabs, at=AT)
    def reconnect(self, tab: Watcher, at: int) -> None:
        self._do(tab.connect(self._at(at)))

    @rule(tab=tabs, at=AT)
    def reload(self, tab: Watcher, at: int) -> None:
        self._do(tab.reload(self._at(at)))

    @rule(target=sent, text=WORDS, when_busy=st.sampled_from(["queue", "stop"]), at=AT)
    def send(self, text: str, when_busy: str, at: int) -> Sent:
        return self._send(at, text=text, when_busy=when_busy)

    @rule(target=sent, message=sent, text=WORDS, at=AT)
    def edit(self, message: Sent, text: str, at: int) -> Sent:
        """Another message in the place of one that was sent; of the first one there is only the end of the thread."""
        row = "SELECT status, parent_id::text FROM chat_message WHERE id = %s"
        self._do(until(lambda: self._query(row, message.message_id)[0][0] != "queued", "turn", seconds=60))
        ((_, parent_id),) = self._query(row, message.message_id)
        return self._send(at, text=text, **({"parent_id": parent_id} if parent_id else {}))

    @rule(message=sent, at=AT)
    def send_again(self, message: Sent, at: int) -> None:
        """A command that was honoured comes once more, as after a lost ack."""
        ack = self._do(self._ask(at, "send_message", **message.command))
        assert (ack["message_id"], ack["run_id"]) == (message.message_id, message.run_id)

    @rule(at=AT)
    def stop(self, at: int) -> None:
        try:
            stopped = self._do(self._ask(at, "stop"))
        except Refused as problem:
            if problem.code != "nothing_to_stop":
                raise
        else:
            self.model.stopped.update(stopped["run_ids"])

    @rule(message=sent, at=AT)
    def retry(self, message: Sent, at: int) -> None:
        """Nothing fails here, and so there is nothing to retry."""
        with pytest.raises(Refused) as problem:
            self._do(self._ask(at, "retry", run_id=message.run_id))
        assert problem.value.code == "conflict"

    @rule(at=AT)
    def sign_out(self, at: int) -> None:
        """A tab that is there by a session is shown out when the session ends; the others stay."""
        self._do(self._sign_out(self._at(at)))

    @rule()
    def rest(self) -> None:
        try:
            self._do(until(lambda: self._unfinished() == 0, "end of all runs", seconds=60))
        except AssertionError:
            count(runs_stuck=1)
            raise

    # What happens to processes.

    @rule(victim=AT)
    @precondition(lambda self: self.down is None)
    def kill(self, victim: int) -> None:
        self._kill(victim)

    @rule(target=sent, victim=AT, text=WORDS)
    @precondition(lambda self: self.down is None)
    def kill_while_sending(self, victim: int, text: str) -> Sent:
        """Whether it was honoured is not known: it comes once more, to the other server."""
        id_ = str(uuid.uuid4())
        self._do(self._write(victim, {"type": "send_message", "id": id_, "text": text}))
        self._kill(victim)
        return self._send(victim, id=id_, text=text)

    @rule()
    @precondition(lambda self: self.down is not None)
    def start(self) -> None:
        assert self.down is not None
        self._do(self.world.webs[self.down].start())
        self.down = None

    @rule(which=AT)
    @precondition(lambda self: self.down is None)
    def restart(self, which: int) -> None:
        """As for a deploy."""
        self._do(self._restart(self.world.webs[which]))

    # What must be so after every step, and in the end.

    @invariant()
    def all_agree(self) -> None:
        self.world.steps += 1
        self._do(agree([watcher for watcher in self.watchers if watcher.is_open], self._at(0)))
        self._check_log()
        said = self._query("SELECT id::text, text FROM chat_message WHERE thread_id = %s AND role = 'user'")
        assert sorted(said) == sorted((one.message_id, one.text) for one in self.model.sent)

    def _check_log(self) -> None:
        """What any tab was ever told stands in the log, as it was told."""
        for watcher in self.watchers:
            for frame in watcher.events:
                if frame["type"] not in events.DISPOSABLE:
                    assert self.model.log.setdefault(frame["seq"], frame) == frame
        rows = self._query("SELECT seq, body FROM chat_event WHERE thread_id = %s")
        stored = {seq: json.loads(events.frame(seq, body)) for seq, body in rows}
        assert {seq: stored.get(seq) for seq in self.model.log} == self.model.log

    def teardown(self) -> None:
        try:
            if self.down is not None:
                self._do(self.world.webs[self.down].start())
                self.down = None
            if sys.exception() is None:  # not on the way out of a step that failed
                self._end()
        finally:
            for watcher in self.watchers:
                self._do(watcher.drop())
            for person in self.people:
                self._do(person.close())

    def _end(self) -> None:
        """Everybody comes back, all work ends, and all that was acknowledged has come to what it must."""
        self.rest()
        for watcher in self.watchers:
            self._do(watcher.stay())
        self._do(agree(self.watchers, self.people[1]))
        self._check_log()
        ends = {
            run_id: (status, text, parent_id)
            for run_id, status, text, parent_id in self._query(
                "SELECT run.id::text, run.status, coalesce(answer.text, ''), prompt.parent_id::text"
                " FROM chat_run AS run JOIN chat_message AS prompt ON prompt.id = run.prompt_id"
                " LEFT JOIN chat_message AS answer ON answer.id = run.answer_id WHERE run.thread_id = %s"
            )
        }
        assert set(ends) == {one.run_id for one in self.model.sent}
        count(runs_ended=len(ends))
        for one in self.model.sent:
            status, text, parent_id = ends[one.run_id]
            assert parent_id == one.command.get("parent_id", parent_id)
            if status == "stopped":
                assert one.run_id in self.model.stopped | self.model.may_be_stopped
                assert one.answer.startswith(text), (one, text)
            else:
                assert one.run_id not in self.model.stopped
                assert (status, text) == ("completed", one.answer)
        self.world.waits += takeovers(self.world.database, self.killed, uuid.UUID(self.thread_id))

    # How it is done.

    def _send(self, at: int, **fields: Any) -> Sent:
        if fields.get("when_busy") == "stop":
            self.model.may_be_stopped.update(one.run_id for one in self.model.sent)
        command = {"id": str(uuid.uuid4()), **fields}
        ack = self._do(self._ask(at, "send_message", **command))
        self.model.sent.append(Sent(command, ack["message_id"], ack["run_id"], answer_to(command["text"])))
        return self.model.sent[-1]

    async def _ask(self, at: int, type_: str, **fields: Any) -> Frame:
        async with await self._at(at).ready(self.thread_id) as tab:
            return await tab.ask(type_, **fields)

    async def _write(self, at: int, frame: Frame) -> None:
        tab = await self._at(at).ready(self.thread_id)
        await tab.write(frame)
        tab.vanish()

    async def _sign_out(self, person: Person) -> None:
        async with signed_in(person, PASSWORD) as browser:
            path = f"/ws/threads/{self.thread_id}/"
            tab = await open_tab(person.ws_url, path, cookie=cookies_of(browser), origin=person.url)
            await tab.until("caught_up")
            csrf = csrf_of((await browser.get("/account/")).text)
            left = await browser.post("/logout/", data={"csrfmiddlewaretoken": csrf})
            assert left.status_code == 302
            assert await tab.closed(seconds=5) == 4401

    def _kill(self, victim: int) -> None:
        web = self.world.webs[victim]
        self.killed[web.pid] = time.time()
        web.kill()
        self.down = victim
        self.world.kills += 1

    async def _restart(self, web: WebServer) -> None:
        await web.stopped()
        await web.start()

    def _unfinished(self) -> int:
        return sum(
            status not in RUN_ENDS
            for (status,) in self._query("SELECT status FROM chat_run WHERE thread_id = %s")
        )

    def _query(self, sql: str, id_: str | None = None) -> list[tuple[Any, ...]]:
        return self.world.database.query(sql, uuid.UUID(id_ or self.thread_id))


def test_whatever_people_and_processes_do_every_tab_agrees_and_nothing_is_lost(
    server: StartServer, redis_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_SHRINKING_SECONDS", SHRINKING_SECONDS)
    env: dict[str, Any] = {
        "REDIS_URL": redis_url,
        "DEMO_TOKENS_PER_SECOND": "120",
        "LIMIT_COMMANDS_PER_MINUTE": "1000000",
    }
    began = time.monotonic()
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as loop:

        async def both() -> list[WebServer]:
            return list(await asyncio.gather(server("daphne", **env), server("uvicorn", **env)))

        world = World(loop, loop.run(both()), database)
        chosen = settings(
            derandomize=not LONG,
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        while True:
            run_state_machine_as_test(lambda: Machine(world), settings=chosen)  # type: ignore[arg-type]
            if time.monotonic() - began > CHANCE_SECONDS:
                break
    took_over(world.waits)
    count(kills_survived=world.kills)
    report("state machine", steps=world.steps, kills_survived=world.kills, seconds=time.monotonic() - began)
