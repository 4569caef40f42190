"""Chance against a model: people send, stop, drop, reload and sign out while processes die; all tabs agree.

What chance does follows from the seed, which a failure names. `SOAK_SECONDS` repeats it with other seeds.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.client import Closed, Person, Refused, open_tab
from tests.conftest import StartServer
from tests.reliability.watching import Watcher, agree, until
from tests.services.app import WebServer
from tests.services.databases import Database
from tests.site import cookies_of, csrf_of, new_person, signed_in
from tests.soak.figures import SOAK_SECONDS, report

STEPS = 24
PASSWORD = "correct horse battery"
STEPS_OF = {
    "send": 8,
    "second_tab": 3,
    "drop": 4,
    "reconnect": 6,
    "reload": 3,
    "stop": 3,
    "retry": 1,
    "again": 2,
    "kill": 2,
    "sign_out": 1,
}


@dataclass
class Asked:
    """A message that was acknowledged, and what its answer must be: all of it, or a beginning where it was stopped."""

    id: str
    text: str
    message_id: str
    run_id: str
    answer: str
    when_busy: str


@dataclass
class Model:
    """What must be so whatever happens."""

    asked: list[Asked] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)


class Machine:
    """Two servers, one thread, and everything that may happen."""

    def __init__(
        self, seed: int, webs: list[WebServer], person: Person, thread_id: str, database: Database
    ) -> None:
        self.chance = random.Random(seed)
        self.webs = webs
        self.people = [person.at(web.url) for web in webs]
        self.thread_id = thread_id
        self.database = database
        self.model = Model()
        self.watchers: list[Watcher] = []
        self.kills = 0
        self._restarting: asyncio.Task[None] | None = None

    def alive(self) -> Person:
        return self.chance.choice(
            [
                person
                for person, web in zip(self.people, self.webs, strict=True)
                if web.alive and self._is_up(web)
            ]
        )

    def _is_up(self, web: WebServer) -> bool:
        return self._restarting is None or self._restarting.done() or web is not self._down

    async def step(self, name: str) -> None:
        await getattr(self, f"_{name}")()
        open_ones = [watcher for watcher in self.watchers if watcher.is_open]
        await agree(open_ones, self.alive())

    async def _command(self, type_: str, **fields: object) -> dict[str, object]:
        """Send a command, and again with the same id wherever somebody lives, until it is answered."""
        id_ = str(uuid.uuid4())
        for _ in range(20):
            try:
                async with await self.alive().tab(self.thread_id) as tab:
                    return await tab.ask(type_, id=id_, seconds=10, **fields)
            except (Closed, OSError, AssertionError):
                await asyncio.sleep(0.2)
            except Refused as problem:
                if problem.code != "unavailable":
                    raise
                await asyncio.sleep(0.2)
        raise AssertionError(f"nobody answers {type_}")

    async def _send(self) -> None:
        number = self.chance.randint(1, 120)
        said = self.chance.choice(["count", "say"])
        text = f"count to {number}" if said == "count" else f"say: number {number} é 🦊"
        answer = " ".join(map(str, range(1, number + 1))) if said == "count" else text.removeprefix("say: ")
        when_busy = self.chance.choice(["queue", "queue", "stop"])
        before = [one.run_id for one in self.model.asked]
        ack = await self._command("send_message", text=text, when_busy=when_busy)
        if when_busy == "stop":
            self.model.stopped.update(before)
        self.model.asked.append(
            Asked(str(ack["id"]), text, str(ack["message_id"]), str(ack["run_id"]), answer, when_busy)
        )

    async def _again(self) -> None:
        """A command that was honoured comes once more, as after a lost ack."""
        if self.model.asked:
            one = self.chance.choice(self.model.asked)
            async with await self.alive().tab(self.thread_id) as tab:
                ack = await tab.ask("send_message", id=one.id, text=one.text, when_busy=one.when_busy)
                assert (ack["message_id"], ack["run_id"]) == (one.message_id, one.run_id)

    async def _stop(self) -> None:
        try:
            ack = await self._command("stop")
        except Refused as problem:
            if problem.code != "nothing_to_stop":
                raise
        else:
            self.model.stopped.update(ack["run_ids"])  # type: ignore[arg-type]

    async def _retry(self) -> None:
        if self.model.asked:
            with pytest.raises(Refused) as problem:
                await self._command("retry", run_id=self.model.asked[0].run_id)
            assert problem.value.code == "conflict"

    async def _second_tab(self) -> None:
        if len(self.watchers) < 5:
            self.watchers.append(await Watcher(self.alive(), self.thread_id).connect())

    async def _drop(self) -> None:
        if self.watchers:
            await self.chance.choice(self.watchers).drop()

    async def _reconnect(self) -> None:
        for watcher in self.watchers:
            if not watcher.is_open:
                await watcher.connect(self.alive())
                return

    async def _reload(self) -> None:
        if self.watchers:
            place = self.chance.randrange(len(self.watchers))
            await self.watchers[place].drop()
            self.watchers[place] = await Watcher(self.alive(), self.thread_id).connect()

    async def _kill(self) -> None:
        """One process dies, and is there again a while later."""
        if self._restarting is not None:
            await self._restarting
        self._down = self.chance.choice(self.webs)
        self._down.kill()
        self.kills += 1
        self._restarting = asyncio.ensure_future(self._down.start())

    async def _sign_out(self) -> None:
        """A tab that is there by a session is shown out when the session ends; the others stay."""
        person = self.alive()
        async with signed_in(person, PASSWORD) as browser:
            path = f"/ws/threads/{self.thread_id}/"
            tab = await open_tab(person.ws_url, path, cookie=cookies_of(browser), origin=person.url)
            await tab.until("caught_up")
            csrf = csrf_of((await browser.get("/account/")).text)
            left = await browser.post("/logout/", data={"csrfmiddlewaretoken": csrf})
            assert left.status_code == 302
            assert await tab.closed(seconds=5) == 4401

    async def end(self) -> None:
        """Everybody comes back, all work ends, and all that was acknowledged is there, once."""
        if self._restarting is not None:
            await self._restarting
        await until(lambda: self._unfinished() == 0, "end of all runs", seconds=90)
        for watcher in self.watchers:
            if not watcher.is_open:
                await watcher.connect(self.people[0])
        await agree(self.watchers, self.people[1])
        said = dict(self.database.query("SELECT id::text, text FROM chat_message WHERE role = 'user'"))
        assert said == {one.message_id: one.text for one in self.model.asked}
        answers = {
            run_id: (status, text)
            for run_id, status, text in self.database.query(
                "SELECT run.id::text, run.status, coalesce(answer.text, '') FROM chat_run AS run"
                " LEFT JOIN chat_message AS answer ON answer.id = run.answer_id"
            )
        }
        assert set(answers) == {one.run_id for one in self.model.asked}
        for one in self.model.asked:
            status, text = answers[one.run_id]
            if status == "stopped":
                assert one.run_id in self.model.stopped
                assert one.answer.startswith(text), (one, text)
            else:
                assert (status, text) == ("completed", one.answer)
        for watcher in self.watchers:
            await watcher.drop()

    def _unfinished(self) -> int:
        ((count,),) = self.database.query(
            "SELECT count(*) FROM chat_run WHERE status IN ('queued', 'running', 'interrupted')"
        )
        return int(count)


async def test_all_tabs_agree_after_every_step_of_chance(
    server: StartServer, redis_url: str, database: Database
) -> None:
    env: dict[str, Any] = {"REDIS_URL": redis_url, "DEMO_TOKENS_PER_SECOND": "80"}
    webs = list(await asyncio.gather(server("daphne", **env), server("uvicorn", **env)))
    began, steps, kills = time.monotonic(), 0, 0
    seed = int(os.environ.get("SEED", "7"))
    while True:
        database.query("DELETE FROM chat_event")
        database.query("UPDATE chat_thread SET active_run_id = NULL, head_id = NULL")
        for table in ("chat_honouredcommand", "chat_run", "chat_message", "chat_thread"):
            database.query(f"TRUNCATE {table} CASCADE")
        person = await asyncio.to_thread(new_person, database, webs[0].url, PASSWORD)
        machine = Machine(seed, webs, person, await person.thread(), database)
        try:
            await machine._second_tab()
            names = machine.chance.choices(list(STEPS_OF), weights=list(STEPS_OF.values()), k=STEPS)
            for name in names:
                await machine.step(name)
                steps += 1
            await machine.end()
        except BaseException as error:
            error.add_note(f"SEED={seed}, step {steps} of {names}")
            raise
        finally:
            for one in (person, *machine.people):
                await one.close()
        kills += machine.kills
        seed += 1
        if time.monotonic() - began > SOAK_SECONDS:
            break
    report("chance", steps=steps, kills=kills, seconds=time.monotonic() - began)
