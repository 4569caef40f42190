"""The model asked by the bare openai client, with no server between: what every server's delays are compared with.

`python -m benchmarks.bare URL STREAMS WORDS` prints what it cost as JSON: `{words, faults, cpu_seconds}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from openai import AsyncOpenAI

from benchmarks.conversations import Answer


async def ask_all(
    model_url: str, number: int, *, words: int, pace: int, turns: int = 1
) -> tuple[list[Answer], float]:
    """The answers of that many streams, which begin spread over a second, and the CPU seconds that they took."""
    answers: list[Answer] = []
    async with AsyncOpenAI(base_url=model_url, api_key="bench") as client:

        async def talk(place: int) -> None:
            await asyncio.sleep(place / number)
            answers.extend([await _ask(client, words, pace) for _ in range(turns)])

        await _ask(client, 5, 0)  # the first request loads what the others only use
        before = time.process_time()
        await asyncio.gather(*map(talk, range(number)))
        return answers, time.process_time() - before


async def _ask(client: AsyncOpenAI, words: int, pace: int) -> Answer:
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


async def _main(model_url: str, number: int, words: int) -> None:
    answers, cpu_seconds = await ask_all(model_url, number, words=words, pace=50)
    faults = [fault for answer in answers for fault in answer.faults]
    heard = sum(answer.heard for answer in answers)
    print(json.dumps({"words": heard, "faults": faults, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
