"""Where a run begins: at its own last checkpoint, behind the turn it answers, or at nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from chat import objects
from chat.agent import graph, history
from chat.agent.checkpoints import FencedSaver


@dataclass(frozen=True)
class Turn:
    """An earlier turn of the path, as the rows have it: what the person said and what became of the answer."""

    run_id: str
    human: HumanMessage
    """Its id is the user message's."""
    complete: bool
    """Whether its run ended by itself, so that its last checkpoint holds all of it: what was said is not looked at."""
    text: str = ""
    tool_calls: Mapping[str, objects.ToolCall] = field(default_factory=dict)
    """By id."""
    checkpoint_id: str | None = None
    """The last checkpoint its run wrote, where that is known; else it is looked up."""


@dataclass(frozen=True)
class Position:
    """Where in the thread's checkpoints a run begins."""

    config: RunnableConfig
    resumed: bool
    """Whether the run has written checkpoints already; then it goes on from the last of them."""
    answered: Sequence[BaseMessage] = ()
    """Resumed: the run's own messages so far, for Translation(answered=…)."""
    before: Sequence[BaseMessage] = ()
    """Not resumed: what must stand before the person's message."""

    def given(self, human: HumanMessage) -> dict[str, Any] | None:
        """The graph's input: None to go on, else the person's message behind what it stands on.

        The message's id is the user message's, so that a run begun twice says it once.
        """
        return None if self.resumed else {"messages": [*self.before, human]}


async def locate(
    agent: graph.Agent,
    saver: FencedSaver,
    *,
    thread_id: str,
    run_id: str,
    newest_id: str | None,
    path: Sequence[Turn],
    begun: bool,
) -> Position:
    """Finds where the run begins.

    `agent` remembers by `saver`. `newest_id` is the thread's newest checkpoint. `path` holds the earlier turns of the
    run's path, oldest first, from the last complete one on (earlier ones are not looked at); empty for a first message.
    `begun` says whether an earlier attempt may have written checkpoints.

    A checkpoint is addressed by its id only where the thread has moved on from it (an edit, a regeneration, another
    branch): LangGraph then stores all messages once more, while behind the newest checkpoint it stores the new ones.
    Raises LookupError when a complete turn's checkpoints are gone.
    """
    if begun:
        own = await saver.last_of(thread_id, run_id)
        if own is not None:
            address = None if own == newest_id else own
            messages = await _messages(agent, thread_id, own)
            return Position(graph.config(thread_id, run_id, address), True, answered=history.answer(messages))

    unsaved: list[AnyMessage] = []
    for turn in reversed(path):
        # What the rows name is certain only of a turn that ended by itself. The newest by its id need not be the last.
        known = turn.checkpoint_id if turn.complete else None
        base = known or await saver.last_of(thread_id, turn.run_id)
        if base is not None:
            address = None if base == newest_id else base
            settled: list[AnyMessage] = []
            if not turn.complete:
                settled = settlement(await _messages(agent, thread_id, base), turn)
            return Position(graph.config(thread_id, run_id, address), False, before=[*settled, *unsaved])
        if turn.complete:
            raise LookupError(f"The checkpoints of run {turn.run_id} are gone.")
        unsaved = [*settlement([], turn), *unsaved]

    # The path begins here. A thread that has other branches goes on behind its newest checkpoint all the same, with
    # everything cleared away: so this branch too is stored as a difference.
    clear: list[BaseMessage] = [RemoveMessage(id=REMOVE_ALL_MESSAGES)] if newest_id else []
    return Position(graph.config(thread_id, run_id), False, before=[*clear, *unsaved])


def settlement(messages: Sequence[BaseMessage], turn: Turn) -> list[AnyMessage]:
    """What must follow `messages` so that a turn that was stopped or failed reads as it happened.

    `messages` are those of the turn's last checkpoint, [] if it has none. In this order: what the person said, unless
    it is there; a result for every tool call that has none; what the model had said of the step that was not finished.
    The ids follow from what they stand for, so that settling twice is settling once.
    """
    settled: list[AnyMessage] = []
    if not any(message.id == turn.human.id for message in messages):
        settled.append(turn.human)
        messages = []
    settled += [_result(call, turn.tool_calls.get(call["id"] or "")) for call in history.unanswered(messages)]
    certain = history.certain_text(messages)
    rest = (
        turn.text.removeprefix(certain).removeprefix("\n\n") if turn.text.startswith(certain) else turn.text
    )
    if rest:
        settled.append(AIMessage(rest, id=f"partial-{turn.human.id}"))
    return settled


def _result(call: Any, known: objects.ToolCall | None) -> ToolMessage:
    """The result that the row has, though the checkpoint has not; else that there is none."""
    if known is not None and known.status == "succeeded":
        return ToolMessage(
            known.result or "", id=f"settled-{call['id']}", tool_call_id=call["id"], name=call["name"]
        )
    if known is not None and known.status == "failed" and known.error:
        return history.cancelled(call, known.error)
    return history.cancelled(call)


async def _messages(agent: graph.Agent, thread_id: str, checkpoint_id: str) -> list[AnyMessage]:
    """The messages of one checkpoint, without what unfinished steps after it have left: new input discards that."""
    state = await agent.aget_state({"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}})
    messages: list[AnyMessage] = state.values.get("messages", [])
    return messages
