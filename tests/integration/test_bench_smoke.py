"""The benchmark in small: every word once and in order, and no gross loss of speed, told by a ratio and not by time.

What the server spends on a word is compared with what the bare openai client spends on reading it, at the same time on
the same machine. docs/performance.md tells of the whole benchmark.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import httpx

from benchmarks import machine
from benchmarks.conversations import BackdropConversation
from benchmarks.servers import running_model
from tests.services.process import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartServer
    from tests.services.databases import Database

CONVERSATIONS, WORDS = 12, 200
CPU_RATIO_MAX = 4.0
"""Of the server's CPU for a word, its turn included, to the bare client's; measured: 1.5 to 1.9."""


async def _token() -> str:
    from django.contrib.auth.models import User

    from chat import access
    from chat.db import in_thread

    def make() -> str:
        return access.make_token(User.objects.create_user("bench"), "smoke")[1]

    return await in_thread(make)


async def test_a_word_comes_once_in_order_and_costs_no_multiple_of_what_the_bare_client_takes(
    database: Database, server: StartServer, tmp_path: Path
) -> None:
    async with running_model(tmp_path) as model:
        web = await server("uvicorn", OPENAI_BASE_URL=model.url, OPENAI_API_KEY="bench", CHAT_MODEL="bench")
        token = await _token()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=web.url, headers=headers, trust_env=False, timeout=30) as http:
            made = [
                (await http.post("/api/v1/threads", json={"title": "Smoke"})).json()["id"]
                for _ in range(CONVERSATIONS)
            ]
        conversations = [BackdropConversation(web.port, token, thread_id) for thread_id in made]
        further = BackdropConversation(web.port, token, made[0])
        for tab in (*conversations, further):
            await tab.open()
        warm = await conversations[-1].ask(10, 0)
        assert warm.faults == []

        client = Process(
            [sys.executable, "-m", "benchmarks.bare", model.url, str(CONVERSATIONS), str(WORDS)],
            tmp_path / "bare.log",
        )
        client.spawn()
        further.expect(WORDS)
        before = machine.cpu_seconds(web.pid)
        answers = await asyncio.gather(*(conversation.ask(WORDS) for conversation in conversations))
        await further.heard()
        spent = machine.cpu_seconds(web.pid) - before

        async def ended() -> bool:
            return client.log().endswith("}\n")

        await client.ready(ended)
        bare = json.loads(client.log().splitlines()[-1])

    assert bare["faults"] == []
    assert [answer.faults for answer in (*answers, further.answer)] == [[]] * (CONVERSATIONS + 1)
    ratio = (spent / (CONVERSATIONS * WORDS)) / (bare["cpu_seconds"] / bare["words"])
    assert ratio < CPU_RATIO_MAX, f"a word costs {ratio:.2f} times what the bare client takes"
    print(f"a word costs {ratio:.2f} times what the bare client takes")
    for tab in (*conversations, further):
        await tab.close()
