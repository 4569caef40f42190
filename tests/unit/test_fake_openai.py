"""The fake server is what the openai client takes for the real one."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import openai
import pytest
from PIL import Image

from tests.fakes.openai_server import FakeOpenAI


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def client(server: FakeOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="key", base_url=server.base_url, max_retries=0, timeout=10
    ) as client:
        yield client


async def test_it_chats_without_a_stream(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "count to 3"}]
    )
    assert answer.choices[0].message.content == "1 2 3"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


async def test_it_paints_once_and_counts(server: FakeOpenAI, client: openai.AsyncOpenAI) -> None:
    answer = await client.images.generate(model="m", prompt="a red fox", size="1536x1024")
    assert answer.data is not None
    picture = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or "")))
    assert picture.size == (1536, 1024)
    assert server.count("a red fox") == 1


async def test_it_paints_in_steps(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.generate(model="m", prompt="a fox", stream=True, partial_images=2)
    kinds = [event.type async for event in stream]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


async def test_turns_are_used_up_in_order_by_those_they_fit(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    async def say(text: str) -> str | None:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return answer.choices[0].message.content

    server.script({"when": "fox", "text": "A fox."}, {"text": "First."}, {"text": "Second."})
    assert [await say(text) for text in ("hi", "a fox", "ho", "hu")] == [
        "First.",
        "A fox.",
        "Second.",
        "You said: hu",
    ]


async def test_a_scripted_error_is_the_clients_exception(
    server: FakeOpenAI, client: openai.AsyncOpenAI
) -> None:
    server.script({"on": "images", "status": 400, "error": {"message": "No.", "code": "moderation_blocked"}})
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model="m", prompt="x")
    assert caught.value.code == "moderation_blocked"


async def test_it_keeps_the_pace_it_is_given(server: FakeOpenAI, client: openai.AsyncOpenAI) -> None:
    server.script({"text": "word " * 20, "pace": 50})
    loop = asyncio.get_running_loop()
    began = loop.time()
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    async for _ in stream:
        pass
    assert 0.38 < loop.time() - began < 2
