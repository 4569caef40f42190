"""Many conversations at once: whether a server holds them, what that costs it, and how long words are on their way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

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


@dataclass
class Load:
    """What a number of conversations at once came to."""

    conversations: int
    answers: list[Answer] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    model_cpu_seconds: float = 0.0
    load_cpu_seconds: float = 0.0
    postgres_cpu_seconds: float = 0.0
    waited_seconds: float = 0.0
    """How long the server stood ready and somebody else had its core."""

    @property
    def faults(self) -> list[str]:
        return [fault for answer in self.answers for fault in answer.faults]

    @property
    def words(self) -> int:
        return sum(answer.heard for answer in self.answers)

    @property
    def cpu_seconds_per_1000(self) -> float:
        return 1000 * self.cpu_seconds / max(1, self.words)

    @property
    def gap_p95(self) -> float:
        return percentile([gap for answer in self.answers for gap in answer.gaps], 95)

    def delay(self, percent: float) -> float:
        return percentile([delay for answer in self.answers for delay in answer.delays], percent)

    def first_word(self, percent: float) -> float:
        return percentile([answer.first_at - answer.sent_at for answer in self.answers if answer.heard], percent)

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
            f" CPU {100 * self.cpu_seconds / max(self.wall_seconds, 0.001):.0f} %,"
            f" {self.cpu_seconds_per_1000:.3f} CPU-s per 1,000 words,"
            f" delay {1000 * self.delay(50):.1f} / {1000 * self.delay(95):.1f} ms,"
            f" first word {1000 * self.first_word(50):.1f} / {1000 * self.first_word(95):.1f} ms,"
            f" model late {1000 * self.model_late:.0f} ms,"
            f" CPU of Postgres {self.postgres_cpu_seconds:.2f} s, model {self.model_cpu_seconds:.2f} s,"
            f" waited {self.waited_seconds:.2f} s,"
            f" load {self.load_cpu_seconds:.2f} s of {self.wall_seconds:.1f} s"
            + (f", FAULTS {len(self.faults)}: {self.faults[:2]}" if self.faults else "")
        )


async def open_conversations(running: Running, number: int) -> list[Conversation]:
    """That many conversations, all open."""
    opened: list[Conversation] = []
    for _ in range(number):
        opened.append(await running.conversation())
    return opened


async def close_conversations(conversations: list[Conversation]) -> None:
    await asyncio.gather(*(conversation.close() for conversation in conversations))


async def speak(
    services: Services,
    running: Running,
    conversations: list[Conversation],
    *,
    words: int,
    turns: int = 1,
    over_seconds: float = 2.0,
) -> Load:
    """Each conversation asks `turns` times for an answer of `words`; they begin spread over some seconds."""
    load = Load(len(conversations))

    async def talk(place: int, conversation: Conversation) -> None:
        await asyncio.sleep(over_seconds * place / len(conversations))
        for _ in range(turns):
            load.answers.append(await conversation.ask(words, PACE))

    before = (running.cpu_seconds(), services.model_cpu_seconds(), time.process_time(), services.postgres.cpu_seconds())
    waited = machine.waited_seconds(running.pid)
    began = time.monotonic()
    await asyncio.gather(*(talk(place, conversation) for place, conversation in enumerate(conversations)))
    load.wall_seconds = time.monotonic() - began
    load.cpu_seconds = running.cpu_seconds() - before[0]
    load.model_cpu_seconds = services.model_cpu_seconds() - before[1]
    load.load_cpu_seconds = time.process_time() - before[2]
    load.postgres_cpu_seconds = services.postgres.cpu_seconds() - before[3]
    load.waited_seconds = machine.waited_seconds(running.pid) - waited
    return load


async def load_of(services: Services, running: Running, number: int, *, words: int, turns: int = 1) -> Load:
    """Open that many conversations, let them speak, close them."""
    conversations = await open_conversations(running, number)
    try:
        return await speak(services, running, conversations, words=words, turns=turns)
    finally:
        await close_conversations(conversations)
