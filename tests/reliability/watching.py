"""Somebody who watches a thread through drops and crashes, and the question whether all see the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from websockets.exceptions import InvalidHandshake

from tests.client import SECONDS, Frame, Person, Tab, is_event
from tests.soak.figures import count
from tests.state import State

ENDED = ("completed", "failed", "stopped")


class Watcher:
    """A tab over all its connections: every frame that it ever got, in order. It comes back with the last `seq`."""

    def __init__(self, person: Person, thread_id: str) -> None:
        self.person = person
        self.thread_id = thread_id
        self.tab: Tab | None = None
        self.connections = 0
        self._before: list[Frame] = []

    @property
    def frames(self) -> list[Frame]:
        return self._before + (self.tab.frames if self.tab else [])

    @property
    def events(self) -> list[Frame]:
        return [frame for frame in self.frames if is_event(frame)]

    @property
    def seq(self) -> int:
        return max((frame["seq"] for frame in self.frames if "seq" in frame and _counts(frame)), default=0)

    @property
    def _begun(self) -> bool:
        return any(_counts(frame) for frame in self.frames)

    @property
    def is_open(self) -> bool:
        return self.tab is not None and self.tab.close_code is None

    async def connect(self, person: Person | None = None, *, seconds: float = SECONDS) -> Self:
        """Come (back), to this server or another; asks again while nobody answers."""
        self.person = person or self.person
        await self.drop()
        deadline = time.monotonic() + seconds
        while True:
            try:
                after = self.seq if self._begun else None
                self.tab = await self.person.tab(self.thread_id, after=after)
                self.connections += 1
                await self.tab.until("caught_up", seconds=seconds)
            except (OSError, InvalidHandshake, TimeoutError, AssertionError):
                await self.drop()  # what it had got by then counts
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
                continue
            return self

    async def drop(self) -> None:
        """Lose the connection, if there is one; what it brought stays."""
        if self.tab is not None:
            tab, self.tab = self.tab, None
            tab.vanish()
            await tab._reader
            self._before += tab.frames

    async def reload(self, person: Person) -> Self:
        """Forget everything, and come anew."""
        await self.drop()
        self._before = []
        return await self.connect(person)

    async def stay(self) -> None:
        """Come back if the connection was lost."""
        if not self.is_open:
            await self.connect()

    async def state_of(self, run_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """The run once it has ended, coming back as often as it takes."""
        deadline = time.monotonic() + seconds
        while True:
            for frame in reversed(self.frames):
                run = frame.get("run") or next(
                    (run for run in frame.get("runs", ()) if run["id"] == run_id), None
                )
                if run is not None and run["id"] == run_id and run["status"] in ENDED:
                    count(runs_ended=1)
                    found: dict[str, Any] = run
                    return found
                for message in frame["messages"] if frame["type"] == "snapshot" else ():
                    is_answer = message["run_id"] == run_id and message["role"] == "assistant"
                    if is_answer and message["status"] in ("complete", "failed", "stopped"):
                        return {"id": run_id, "status": message["status"], "message_id": message["id"]}
            if time.monotonic() > deadline:
                count(runs_stuck=1)
                raise AssertionError(f"run {run_id} has not ended within {seconds:g} s")
            await self.stay()
            await asyncio.sleep(0.05)

    def check_order(self) -> None:
        """Within and over all connections, the numbers only rise: nothing came twice, nothing out of order."""
        last = 0
        for frame in self.frames:
            if not _counts(frame):
                continue
            if frame["seq"] < last + (frame["type"] != "snapshot"):
                count(events_out_of_order=1)
                raise AssertionError(f"after {last} came {frame}")
            last = frame["seq"]


def _counts(frame: Frame) -> bool:
    return frame["type"] == "snapshot" or is_event(frame)


def state_at(frames: Iterable[Frame], seq: int) -> State:
    """What these frames come to, up to the number."""
    state = State()
    for frame in frames:
        if _counts(frame):
            if frame["seq"] > seq:
                break
            state.apply(frame)
    return state


async def agree(watchers: Sequence[Watcher], fresh_at: Person, *, seconds: float = 20) -> None:
    """Every watcher's snapshot and events come to what somebody gets who comes now, and all numbers only rise."""
    if not watchers:
        return
    fresh = await Watcher(fresh_at, watchers[0].thread_id).connect(seconds=seconds)
    try:
        goal = fresh.seq
        await until(
            lambda: all(watcher.seq >= goal or not watcher.is_open for watcher in watchers),
            f"event {goal} everywhere",
            seconds=seconds,
        )
        for watcher in watchers:
            watcher.check_order()
            if watcher.seq < goal:
                continue  # it lost its connection meanwhile
            theirs = {frame["seq"] for frame in watcher.frames if _counts(frame)}

            def meeting(theirs: set[int] = theirs) -> int | None:
                both = theirs & {frame["seq"] for frame in fresh.frames if _counts(frame)}
                return max(both, default=None)

            # At a number that is the end of a frame for both: a replay merges neighbours.
            if meeting() is None:
                await fresh_reaches(fresh, max(theirs), seconds)
            at = meeting()
            assert at is not None, (sorted(theirs)[-5:], fresh.seq)
            mine, here = state_at(watcher.frames, at), state_at(fresh.frames, at)
            both_show = min(len(mine.path), len(here.path)) if here.has_more or mine.has_more else None
            held, due = shown(mine, both_show), shown(here, both_show)
            count(states_compared=1, events_compared=len(watcher.events), events_lost_or_doubled=held != due)
            assert held == due, f"at {at} a tab holds\n{held}\nand who comes now gets\n{due}"
    finally:
        await fresh.drop()


async def fresh_reaches(fresh: Watcher, seq: int, seconds: float) -> None:
    await until(lambda: fresh.seq >= seq, f"event {seq}", seconds=seconds)


def shown(state: State, newest: int | None) -> dict[str, Any]:
    """What a person sees of the newest messages: of a long thread a snapshot holds no more."""
    seen = state.shown()
    if newest is not None:
        seen["messages"] = seen["messages"][len(seen["messages"]) - newest :]
    return seen


async def until(true: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {seconds:g} s")
        await asyncio.sleep(0.02)
