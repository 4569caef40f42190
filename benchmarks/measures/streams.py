"""Conversations side by side: how many a core holds, what a word costs, how late it comes. Of all servers."""

from __future__ import annotations

from benchmarks import bare, streams
from benchmarks.plan import Plan
from benchmarks.report import Measure
from benchmarks.servers import BACKDROP, BACKDROP_DAPHNE, CHAINLIT, OURS, TUTORIAL, Running, Target
from benchmarks.streams import Load

HELD = Measure("held", "conversations held by one core", "", "more", 5, TUTORIAL.name)
HELD_CHAINLIT = Measure("held_chainlit", "the same, against Chainlit", "", "more", 8, CHAINLIT.name)
# The goals of the two are 0.18 of 0.74 and 0.35 of 0.97 CPU seconds: what the baseline took where they were set.
CPU = Measure("cpu_saturated", "CPU for 1,000 words, saturated", "s", "less", 0.243, TUTORIAL.name)
CPU_LIGHT = Measure("cpu_10", "CPU for 1,000 words, 10 conversations", "s", "less", 0.36, TUTORIAL.name)
CPU_TURN = Measure("cpu_turn", "CPU of a turn, whatever its words", "ms", "less")
CPU_WORD = Measure("cpu_word", "CPU of a word more", "µs", "less")
POSTGRES = Measure("postgres_cpu", "CPU of Postgres for 1,000 words, 10 conversations", "s", "less")
FIRST_50 = Measure("first_word_p50", "first word, added to the bare model, p50", "ms", "less", 15)
FIRST_95 = Measure("first_word_p95", "first word, added to the bare model, p95", "ms", "less", 30)
DELAY_50 = Measure("delay_p50", "delay added to a word, 10 conversations, p50", "ms", "less", 10)
DELAY_95 = Measure("delay_p95", "delay added to a word, 10 conversations, p95", "ms", "less", 25)
LOADED_50 = Measure("delay_held_p50", "delay added to a word, at the most held, p50", "ms", "less", 45)
LOADED_95 = Measure("delay_held_p95", "delay added to a word, at the most held, p95", "ms", "less", 90)

FIRST_GUESS = {BACKDROP.name: 260, BACKDROP_DAPHNE.name: 150, TUTORIAL.name: 80, CHAINLIT.name: 60}
FIRST_STRIDE, STRIDE = 1.25, 1.15
"""Of the search: where nothing is known, and where a repetition before has found something."""
SHORT_WORDS = 50


async def measure(plan: Plan) -> None:
    """All rows of all targets, the targets taking turns, so that a change of the machine's mood meets all of them."""
    guesses = dict(FIRST_GUESS)
    for repetition in range(plan.repetitions):
        plan.note(f"streams, repetition {repetition + 1} of {plan.repetitions}: the bare model")
        answers, _ = await bare.ask_all(
            plan.services.model_url, 10, words=100, pace=streams.PACE, turns=1 if plan.quick else 3
        )
        alone = Load(10, answers)
        plan.report.fault("the bare model", alone.faults)
        for target in plan.targets:
            async with plan.services.running(target) as running:
                await streams.warm_up(plan.services, [running])
                await _light(plan, running, alone)
                await _most(plan, running, guesses)


async def _light(plan: Plan, running: Running, alone: Load) -> None:
    name = running.target.name
    short = await _load(plan, running, 10, SHORT_WORDS, turns=2 if plan.quick else 6)
    long = await _load(plan, running, 10, plan.words)
    report = plan.report
    report.add(CPU_LIGHT, long.cpu_seconds_per_1000, name)
    report.add(POSTGRES, 1000 * long.used.postgres / max(1, long.words), name)
    turn, word = _line(short, long)
    report.add(CPU_TURN, 1e3 * turn, name)
    report.add(CPU_WORD, 1e6 * word, name)
    report.add(FIRST_50, 1e3 * (short.first_word(50) - alone.first_word(50)), name)
    report.add(FIRST_95, 1e3 * (short.first_word(95) - alone.first_word(95)), name)
    report.add(DELAY_50, 1e3 * (long.delay(50) - alone.delay(50)), name)
    report.add(DELAY_95, 1e3 * (long.delay(95) - alone.delay(95)), name)


def _line(short: Load, long: Load) -> tuple[float, float]:
    """CPU seconds of a turn and of a word, from short answers and long ones."""
    short_words, long_words = short.words / len(short.answers), long.words / len(long.answers)
    short_cpu, long_cpu = short.used.server / len(short.answers), long.used.server / len(long.answers)
    word = (long_cpu - short_cpu) / max(1.0, long_words - short_words)
    return short_cpu - word * short_words, word


async def _most(plan: Plan, running: Running, guesses: dict[str, int]) -> None:
    target: Target = running.target
    search = await streams.most_held(
        plan.services,
        [running],
        first=guesses.get(target.name, 36),
        stride=STRIDE if len(plan.report.found[HELD.key][target.name]) else FIRST_STRIDE,
        words=plan.words,
        steps=plan.steps,
        note=lambda text: plan.note(f"{target.title}: {text}"),
    )
    report = plan.report
    if target in OURS:
        for step in search.steps:  # too much for it makes it late, never wrong
            report.fault(target.title, step.faults)
    report.add(HELD, search.conversations, target.name)
    report.add(HELD_CHAINLIT, search.conversations, target.name)
    report.add(CPU, (search.best or search.steps[-1]).cpu_seconds_per_1000, target.name)
    if (best := search.best) is not None:
        guesses[target.name] = best.conversations
        plan.check(target.title, best)
        report.add(LOADED_50, 1e3 * best.delay(50), target.name)
        report.add(LOADED_95, 1e3 * best.delay(95), target.name)


async def _load(plan: Plan, running: Running, number: int, words: int, turns: int = 1) -> Load:
    load = await streams.load_of(plan.services, [running], number, words=words, turns=turns)
    plan.check(running.target.title, load)
    plan.note(f"{running.target.title}: {load}")
    return load
