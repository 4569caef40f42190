"""A worker to be killed: runs one attempt of a thread and waits for ever at the place it was told.

    python -m tests.fakes.killable DATABASE_URL THREAD_ID RUN_ID text|tools

Prints a line when it has come there.
"""

from __future__ import annotations

import asyncio
import os
import sys

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from chat import events
from chat.agent import checkpoints
from tests.fakes.agents import Reply, ScriptedModel, ScriptedPainter, call, context
from tests.fakes.checkpointed import Thread

COLOR, FOX = "call-color", "call-fox"


def both(messages: list[BaseMessage]) -> Reply:
    """Calls two tools at once, then answers."""
    if isinstance(messages[-1], ToolMessage):
        return ["Done."]
    return [
        "Both.",
        call("set_background", COLOR, '{"kind": "color", "value": "navy"}', 0),
        call("generate_image", FOX, '{"prompt": "a fox", "as_background": false}', 1),
    ]


def endless(messages: list[BaseMessage]) -> Reply:
    """Says half of it and waits."""
    return ["Half of", asyncio.Event().wait()]


async def main(url: str, thread_id: str, run_id: str, place: str) -> None:
    pool = checkpoints.open_pool(url)
    await pool.open()
    thread = Thread(pool, ScriptedModel(script=endless if place == "text" else both), id=thread_id)
    painter = ScriptedPainter()
    painter.go_on.clear()
    attempt = await thread.begin(
        run_id, HumanMessage("go", id="human"), run_context=context(thread.world, painter, run_id=run_id)
    )
    there = events.AssistantDelta if place == "text" else events.ToolCallCompleted
    async for part in attempt.parts:
        if any(isinstance(event, there) for event in attempt.translation.translate(part)):
            await asyncio.wait_for(painter.begun.wait() if place == "tools" else asyncio.sleep(0), 20)
            print("there", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
