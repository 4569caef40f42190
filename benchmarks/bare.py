"""The model asked by the bare openai client, with no server between: what every server's delays are compared with."""

from __future__ import annotations

import asyncio
import time

from openai import AsyncOpenAI

from benchmarks.conversations import Answer
from benchmarks.servers import Services
from benchmarks.streams import PACE, Load, Meter


async def load_of(
    services: Services, number: int, *, words: int, turns: int = 1, over_seconds: float = 2.0
) -> Load:
    """That many streams at once, as `streams.load_of` does it with a server."""
    answers: list[Answer] = []
    async with AsyncOpenAI(base_url=services.model_url, api_key="bench") as client:

        async def talk(place: int) -> None:
            await asyncio.sleep(over_seconds * place / number)
            answers.extend([await ask(client, words, PACE) for _ in range(turns)])

        await ask(client, 5, 0)  # the first request loads what the others only use
        meter = Meter(services, [])
        await asyncio.gather(*map(talk, range(number)))
        return Load(number, answers, meter.read())


async def ask(client: AsyncOpenAI, words: int, pace: int) -> Answer:
    """One answer."""
    answer = Answer(words, pace)
    answer.sent_at = time.monotonic()
    stream = await client.chat.completions.create(
        model="bench", messages=[{"role": "user", "content": f"{words} words at {pace}"}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and (said := chunk.choices[0].delta.content):
            answer.hear(said)
    answer.end()
    return answer
