"""Many conversations at once: whether a server holds them, what that costs it, and how long words are on their way."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.conversations import Answer, Conversation
from benchmarks.servers import Running, Services

PACE = 50
"""Words a second and conversation."""
GAP_SECONDS = 0.1
TOTAL = 1.25
MODEL_LATE_SECONDS = 0.03
"""Where the model itself is later than this, the machine and not the server is at its end."""


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed; 0 without values."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


@dataclass(frozen=True)
class Used:
    """Seconds of CPU that something took, and of the clock."""

    wall: float = 0.0
    server: float = 0.0
    waited: float = 0.0
    """How long the servers stood ready and somebody else had their core: the noise of a shared machine."""
    postgres: float = 0.0
    model: float = 0.0
    load: float = 0.0


@dataclass
class Load:
    """What a number of conversations at once came to."""

    conversations: int
    answers: list[Answer]
    used: Used = Used()

    @property
    def faults(self) -> list[str]:
        return [fault for answer in self.answers for fault in answer.faults]

    @property
    def words(self) -> int:
        return sum(answer.heard for answer in self.answers)

    @property
    def cpu_seconds_per_1000(self) -> float:
        return 1000 * self.used.server / max(1, self.words)

    @property
    def gap_p95(self) -> float:
        return percentile([gap for answer in self.answers for gap in answer.gaps], 95)

    def delay(self, percent: float) -> float:
        return percentile([delay for answer in self.answers for delay in answer.delays], percent)

    def first_word(self, percent: float) -> float:
        return percentile(
            [answer.first_at - answer.sent_at for answer in self.answers if answer.heard], percent
        )

    @property
    def stretch(self) -> float:
        """How much longer than ideal the answers took, the slowest in twenty."""
        return percentile([answer.total_seconds / answer.ideal_seconds for answer in self.answers], 95)

    @property
    def model_late(self) -> float:
        return percentile([late for answer in self.answers for late in answer.lateness], 95)

    @property
    def held(self) -> bool:
        return not self.faults and self.gap_p95 < GAP_SECONDS and self.stretch < TOTAL

    def __str__(self) -> str:
        return (
            f"{self.conversations:4} conversations: {'held' if self.held else 'NOT held'},"
            f" gap p95 {1000 * self.gap_p95:.0f} ms, stretch {self.stretch:.2f},"
            f" delay {1000 * self.delay(50):.1f} / {1000 * self.delay(95):.1f} ms,"
            f" first word {1000 * self.first_word(50):.1f} / {1000 * self.first_word(95):.1f} ms,"
            f" {self.cpu_seconds_per_1000:.3f} CPU-s per 1,000 words;"
            f" of {self.used.wall:.1f} s: server {self.used.server:.2f} (waited {self.used.waited:.2f}),"
            f" Postgres {self.used.postgres:.2f}, model {self.used.model:.2f} ({1000 * self.model_late:.0f} ms late),"
            f" load {self.used.load:.2f}"
            + (f", FAULTS {len(self.faults)}: {self.faults[:2]}" if self.faults else "")
        )


async def open_conversations(servers: Sequence[Running], number: int) -> list[Conversation]:
    """That many conversations, all open, the servers taking turns."""
    few = asyncio.Semaphore(8)

    async def one(place: int) -> Conversation:
        async with few:
            return await servers[place % len(servers)].conversation()

    return list(await asyncio.gather(*map(one, range(number))))


async def close_conversations(conversations: Sequence[Conversation]) -> None:
    await asyncio.gather(*(conversation.close() for conversation in conversations))


class Meter:
    """What has been used since it was made."""

    def __init__(self, services: Services, servers: Sequence[Running]) -> None:
        self._services = services
        self._servers = servers
        self._began = self._now()

    def _now(self) -> list[float]:
        return [
            time.monotonic(),
            sum(server.cpu_seconds() for server in self._servers),
            sum(machine.waited_seconds(server.pid) for server in self._servers),
            self._services.postgres.cpu_seconds(),
            self._services.model_cpu_seconds(),
            time.process_time(),
        ]

    def read(self) -> Used:
        return Used(*(now - then for now, then in zip(self._now(), self._began, strict=True)))


async def speak(
    services: Services,
    servers: Sequence[Running],
    conversations: Sequence[Conversation],
    *,
    words: int,
    turns: int = 1,
    over_seconds: float = 2.0,
) -> Load:
    """Each conversation asks `turns` times for an answer of `words`; they begin spread over some seconds."""
    answers: list[Answer] = []

    async def talk(place: int, conversation: Conversation) -> None:
        await asyncio.sleep(over_seconds * place / len(conversations))
        answers.extend([await conversation.ask(words, PACE) for _ in range(turns)])

    meter = Meter(services, servers)
    await asyncio.gather(*(talk(place, conversation) for place, conversation in enumerate(conversations)))
    return Load(len(conversations), answers, meter.read())


async def load_of(
    services: Services, servers: Sequence[Running], number: int, *, words: int, turns: int = 1
) -> Load:
    """Open that many conversations, let them speak, close them."""
    conversations = await open_conversations(servers, number)
    try:
        return await speak(services, servers, conversations, words=words, turns=turns)
    finally:
        await close_conversations(conversations)


async def warm_up(services: Services, servers: Sequence[Running]) -> None:
    """What a server does once, it does now: connections, prepared statements, caches."""
    load = await load_of(services, servers, 12 * len(servers), words=20, turns=3)
    if load.faults:
        raise RuntimeError(
            f"{servers[0].target.title} does not answer: {load.faults[:3]}\n{servers[0].log()}"
        )


@dataclass
class Search:
    """The most conversations that servers hold, and what each step of the search came to."""

    best: Load | None
    steps: list[Load]

    @property
    def conversations(self) -> int:
        return self.best.conversations if self.best is not None else 0


async def most_held(
    services: Services,
    servers: Sequence[Running],
    *,
    first: int,
    stride: float,
    words: int,
    steps: int,
    note: Callable[[str], None],
) -> Search:
    """Search by steps, beginning with `first`: by `stride` up or down, then in the middle, to within a tenth."""
    search = Search(None, [])
    low, high, number = 0, 0, max(1, first)
    while len(search.steps) < steps:
        load = await load_of(services, servers, number, words=words)
        search.steps.append(load)
        note(str(load))
        if load.held:
            low, search.best = number, load
        else:
            high = number
        if low and high and high <= max(low + 1, round(low * 1.1)):
            break
        if not high:
            number = math.ceil(low * stride)
        elif not low:
            number = max(1, math.floor(high / stride))
            if number == high:
                break
        else:
            number = round(math.sqrt(low * high))
        await asyncio.sleep(1.0)  # what the step left to do is not part of the next one
    return search
