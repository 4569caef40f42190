"""Two web processes with Redis between them, on one core, against one process alone on it: what being two costs."""

from __future__ import annotations

from contextlib import AsyncExitStack

from benchmarks import streams
from benchmarks.measures.streams import FIRST_GUESS, HELD, STRIDE
from benchmarks.plan import Plan
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP

TWO = Measure("two_processes", "conversations held by one core in two processes with Redis", "", "more")
SHARE = Measure("two_share", "the same, as a part of what one process holds", "", "more", 0.8)


async def measure(plan: Plan) -> None:
    """A run of one process is heard in tabs of the other: half of all frames go through Redis."""
    one = int(plan.report.median(HELD.key) or FIRST_GUESS[BACKDROP.name])
    postgres = plan.services.postgres
    for _ in range(plan.repetitions):
        database = postgres.migrated()
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(plan.services.redis())
            servers = [
                await stack.enter_async_context(
                    plan.services.running(BACKDROP, database=database, REDIS_URL=url)
                )
                for _ in range(2)
            ]
            await streams.warm_up(plan.services, servers)
            search = await streams.most_held(
                plan.services,
                servers,
                first=max(1, round(0.8 * one)),
                stride=STRIDE,
                words=plan.words,
                steps=plan.steps,
                note=lambda text: plan.note(f"two processes: {text}"),
            )
        postgres.drop(database)
        plan.report.add(TWO, search.conversations)
        plan.report.add(SHARE, search.conversations / one)
        for step in search.steps:
            plan.report.fault("two processes", step.faults)
