"""A worker killed in mid-run, in its own process and by SIGKILL: another goes on from what is stored."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from langchain_core.messages import HumanMessage
from psycopg import AsyncConnection

from chat import events, objects
from chat.agent import checkpoints
from tests.fakes.agents import ScriptedModel
from tests.fakes.checkpointed import Attempt, Thread, checkpoint_database, outline
from tests.fakes.killable import COLOR, FOX, both

DEADLINE_SECONDS = 30


@pytest_asyncio.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with checkpoint_database() as url:
        yield url


@asynccontextmanager
async def taken_over(
    url: str, place: str, tool_calls: dict[str, objects.ToolCall]
) -> AsyncIterator[tuple[Thread, Attempt]]:
    """The second attempt of a run whose first was killed at `place`."""
    thread_id, run_id = str(uuid.uuid4()), str(uuid.uuid4())
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.killable",
        url,
        thread_id,
        run_id,
        place,
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout
    try:
        assert await asyncio.wait_for(worker.stdout.readline(), DEADLINE_SECONDS) == b"there\n"
        if place == "tools":
            await _stored_result(url, thread_id)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    pool = checkpoints.open_pool(url)
    await pool.open()
    thread = Thread(pool, ScriptedModel(script=both), id=thread_id)
    try:
        yield (
            thread,
            await thread.begin(run_id, HumanMessage("go", id="human"), attempt=2, tool_calls=tool_calls),
        )
    finally:
        await pool.close()


async def _stored_result(url: str, thread_id: str) -> None:
    """A result is shown a moment before it is stored; a kill within it has the call made again."""
    newest = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = %s"
    stored = f"SELECT 1 FROM checkpoint_writes WHERE channel = 'messages' AND checkpoint_id = ({newest})"
    async with (
        await AsyncConnection.connect(url, autocommit=True) as connection,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        while not await (await connection.execute(stored, (thread_id,))).fetchone():
            await asyncio.sleep(0.01)


async def test_killed_in_mid_text_the_step_is_said_again(url: str) -> None:
    async with taken_over(url, "text", {}) as (thread, attempt):
        assert not attempt.position.resumed, "it begins where it began: nothing had been done"
        assert attempt.translation.restarted().text == ""
        await attempt.read()
        assert attempt.translation.text == "Both.\n\nDone."
        assert outline(await thread.messages())[0] == "human: go"
        assert len([m for m in await thread.messages() if m.type == "human"]) == 1


async def test_killed_in_mid_tool_only_the_unfinished_call_is_made_again_under_its_id(url: str) -> None:
    async with taken_over(url, "tools", {}) as (thread, attempt):
        assert attempt.translation.restarted().text == "Both."
        await attempt.read()
        assert list(thread.world.images) == [FOX]
        assert thread.world.background is None, "the call that had ended was made again"
        # The rows knew nothing of the calls: both are shown, from what is stored.
        started = [event.tool_call.id for event in attempt.seen if isinstance(event, events.ToolCallStarted)]
        ended = [event.tool_call.id for event in attempt.seen if isinstance(event, events.ToolCallCompleted)]
        assert sorted(started) == sorted(ended) == [COLOR, FOX]
        assert len(thread.model.read) == 1, "the model was asked again for what it had said"
        assert outline(await thread.messages()) == [
            "human: go", f"ai: Both. +{COLOR} +{FOX}",
            f"tool {COLOR}: The background is the colour navy now.", outline(await thread.messages())[3], "ai: Done.",
        ]  # fmt: skip
        assert attempt.translation.text == "Both.\n\nDone."
