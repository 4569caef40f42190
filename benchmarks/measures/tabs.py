"""What a tab costs: one more on a thread that streams, one that is idle, and one that comes."""

from __future__ import annotations

import asyncio
import time

from benchmarks import machine, streams
from benchmarks.conversations import BackdropConversation
from benchmarks.plan import Plan
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP, Running
from benchmarks.streams import Meter

FURTHER = Measure("further_tab", "each further tab of a thread, CPU for a word", "µs", "less", 15)
IDLE = Measure("idle_tab", "idle tab, memory", "kB", "less", 25)
COMING = Measure("connections", "connections a second, signed in by token", "", "more", 800)
COMING_CPU = Measure("connection_cpu", "CPU of a connection with its sign-in", "ms", "less", 1.25)

THREADS = 5
AT_ONCE = 32


async def measure(plan: Plan) -> None:
    async with plan.services.running(BACKDROP) as running:
        await streams.warm_up(plan.services, [running])
        for _ in range(plan.repetitions):
            await _further(plan, running)
    for _ in range(plan.repetitions):
        async with plan.services.running(BACKDROP) as running:
            await streams.warm_up(plan.services, [running])
            await _idle(plan, running)


async def _further(plan: Plan, running: Running) -> None:
    further = 10 if plan.quick else 30
    words = plan.words // 2
    alone = await _watched(plan, running, words, 0)
    watched = await _watched(plan, running, words, further)
    plan.report.add(FURTHER, 1e6 * (watched - alone) / (THREADS * words * further))


async def _watched(plan: Plan, running: Running, words: int, further: int) -> float:
    """CPU seconds of a few threads that stream, each with so many tabs more."""
    first = await asyncio.gather(*(running.conversation() for _ in range(THREADS)))
    tabs: list[BackdropConversation] = []
    for conversation in first:
        assert isinstance(conversation, BackdropConversation)
        for _ in range(further):
            tab = BackdropConversation(running.port, running.token, conversation.thread_id)
            await tab.open()
            tab.expect(words)
            tabs.append(tab)
    meter = Meter(plan.services, [running])
    heard = asyncio.gather(*(tab.heard() for tab in tabs))
    load = await streams.speak(plan.services, [running], first, words=words)
    await heard
    used = meter.read().server
    plan.check("further tabs", load)
    for tab in tabs:
        plan.report.fault("a further tab", tab.answer.faults)
    await streams.close_conversations([*first, *tabs])
    return used


async def _idle(plan: Plan, running: Running) -> None:
    number = 200 if plan.quick else 1000
    few = asyncio.Semaphore(AT_ONCE)
    threads = await asyncio.gather(*(running.thread() for _ in range(20)))

    async def come(place: int) -> BackdropConversation:
        async with few:
            tab = BackdropConversation(running.port, running.token, threads[place % len(threads)])
            await tab.open()
            return tab

    before = machine.resident_bytes(running.pid)
    began, cpu_before = time.monotonic(), running.cpu_seconds()
    tabs = await asyncio.gather(*map(come, range(number)))
    seconds, cpu = time.monotonic() - began, running.cpu_seconds() - cpu_before
    await asyncio.sleep(1.0)  # buffers of the handshakes go
    plan.report.add(COMING, number / seconds)
    plan.report.add(COMING_CPU, 1e3 * cpu / number)
    plan.report.add(IDLE, (machine.resident_bytes(running.pid) - before) / number / 1000)
    plan.note(f"{number} tabs came in {seconds:.2f} s")
    await streams.close_conversations(tabs)
