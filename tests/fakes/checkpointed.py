"""The agent over real checkpoints: a database of its own, and turns of one thread told in a line each."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from chat import events, objects
from chat.agent import checkpoints, graph, resume
from chat.agent.context import RunContext
from chat.agent.stream import Translation
from tests.fakes.agents import ScriptedModel, World, context
from tests.services import databases

OWNERS = "CREATE TABLE owner (thread_id text PRIMARY KEY, run_id text, attempt int, seq int DEFAULT 0)"
FENCE = "SELECT 1 FROM owner WHERE thread_id = %s AND run_id = %s AND attempt = %s FOR KEY SHARE"


@asynccontextmanager
async def checkpoint_database() -> AsyncIterator[str]:
    """A database with LangGraph's tables and one that says which run owns a thread; yields its address."""
    databases.SERVER.ensure()
    database = databases.create(f"{databases.own_name()}_{uuid.uuid4().hex[:8]}")
    await checkpoints.setup(database.url)
    async with await AsyncConnection.connect(database.url, autocommit=True) as connection:
        await connection.execute(OWNERS)
    yield database.url
    databases.drop(database)


@dataclass
class Thread:
    """A thread as runs.py would keep it: who owns it, which turns its path has."""

    pool: checkpoints.Pool
    model: ScriptedModel
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    path: list[resume.Turn] = field(default_factory=list)
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.agent = graph.build(self.model)

    async def own(self, run_id: str, attempt: int = 1) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO owner (thread_id, run_id, attempt) VALUES (%s, %s, %s)"
                " ON CONFLICT (thread_id) DO UPDATE SET run_id = EXCLUDED.run_id, attempt = EXCLUDED.attempt",
                (self.id, run_id, attempt),
            )

    def saver(
        self, run_id: str, attempt: int = 1, newest: checkpoints.Newest | None = None
    ) -> checkpoints.FencedSaver:
        fence = checkpoints.Fence(FENCE, (self.id, run_id, attempt))
        return checkpoints.FencedSaver(self.pool, fence, newest)

    async def begin(
        self,
        run_id: str,
        human: HumanMessage,
        *,
        attempt: int = 1,
        path: Sequence[resume.Turn] | None = None,
        tool_calls: Mapping[str, objects.ToolCall] | None = None,
        run_context: RunContext | None = None,
    ) -> Attempt:
        """One attempt of a run, ready to be read."""
        await self.own(run_id, attempt)
        ((newest_id,),) = [row.values() for row in await self.query(checkpoints.NEWEST, self.id)]
        saver = self.saver(run_id, attempt, checkpoints.Newest(self.id, newest_id))
        mine = graph.remembering(self.agent, saver)
        position = await resume.locate(
            mine,
            saver,
            thread_id=self.id,
            run_id=run_id,
            newest_id=newest_id,
            path=self.path if path is None else path,
            begun=attempt > 1,
        )
        translation = Translation(
            run_id=run_id,
            message_id=f"answer-{run_id}",
            attempt=attempt,
            answered=position.answered,
            tool_calls=tool_calls,
        )
        parts = graph.stream(
            mine,
            position.given(human),
            position.config,
            run_context or context(self.world, run_id=run_id, attempt=attempt),
        )
        return Attempt(run_id, human, saver, position, translation, parts)

    async def say(self, text: str, run_id: str | None = None, **how: Any) -> Attempt:
        """A whole turn, which the path then has."""
        run_id = run_id or f"run-{uuid.uuid4()}"
        attempt = await self.begin(run_id, HumanMessage(text, id=f"human-{run_id}"), **how)
        await attempt.read()
        self.path.append(attempt.turn(complete=True))
        return attempt

    async def messages(self, checkpoint_id: str | None = None) -> list[BaseMessage]:
        """What a checkpoint of the thread holds; the newest one's, without what is not finished."""
        mine = graph.remembering(self.agent, checkpoints.FencedSaver(self.pool, None))
        config: Any = {"configurable": {"thread_id": self.id}}
        if checkpoint_id:
            config["configurable"]["checkpoint_id"] = checkpoint_id
        state = await mine.aget_state(config)
        messages: list[BaseMessage] = state.values.get("messages", [])
        return messages

    async def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(sql, parameters)
            return await cursor.fetchall()


@dataclass
class Attempt:
    run_id: str
    human: HumanMessage
    saver: checkpoints.FencedSaver
    position: resume.Position
    translation: Translation
    parts: Any
    seen: list[events.Event] = field(default_factory=list)

    async def read(self, until: type[Any] | None = None) -> list[events.Event]:
        """The events up to the end, or up to the first of a type: there the run is broken off."""
        reached: Mapping[str, Any] | None = None
        async with aclosing(self.parts) as parts:
            async for part in parts:
                fresh = self.translation.translate(part)
                self.seen += fresh
                if part["type"] == "checkpoints":
                    reached = part["data"]
                if until and any(isinstance(event, until) for event in fresh):
                    return self.seen
        if reached is not None:
            self.saver.remember(reached)
        return self.seen

    def turn(self, *, complete: bool) -> resume.Turn:
        return resume.Turn(
            run_id=self.run_id,
            human=self.human,
            complete=complete,
            text=self.translation.text,
            tool_calls=self.translation.tool_calls,
            checkpoint_id=self.translation.checkpoint_id,
        )


def outline(messages: Sequence[BaseMessage]) -> list[str]:
    """The messages as lines: who, and what; tool calls by their ids."""
    lines = []
    for message in messages:
        calls = "".join(f" +{call['id']}" for call in getattr(message, "tool_calls", []))
        of = f" {message.tool_call_id}" if isinstance(message, ToolMessage) else ""
        lines.append(f"{message.type}{of}: {message.text}{calls}")
    return lines
