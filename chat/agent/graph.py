"""The agent's graph: a model and tools in a loop. Built once for each model; a run uses a copy with its own saver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import Context
from typing import Any

import langsmith
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from chat.agent import middleware, prompts
from chat.agent import tools as all_tools
from chat.agent.context import RunContext
from chat.agent.state import State

Agent = CompiledStateGraph[Any, RunContext, Any, Any]

STEPS = 3 * middleware.MODEL_CALLS
"""Steps of the graph in one run, more than its model calls and tools can come to."""


async def _in_place(
    default: object, context: Context, work: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    return context.run(work, *args, **kwargs)


# LangChain wraps every middleware in LangSmith's tracing, which hops to a thread and back before and after each, traced
# or not.
langsmith.set_runtime_overrides(aio_to_thread=_in_place)

MODEL, TOOLS = "model", "tools"
"""The names of the graph's nodes."""


def build(model: BaseChatModel, *, tools: Sequence[BaseTool] = all_tools.ALL) -> Agent:
    """The agent over this model, without a memory. It takes some milliseconds, so keep it."""
    agent: Agent = create_agent(
        model,
        tools,
        system_prompt=prompts.read("system"),
        middleware=middleware.all_of(),
        state_schema=State,
        context_schema=RunContext,
    )
    # In place of LangChain's own: it allows 9,999 steps, and its metadata would stand in every checkpoint.
    return agent.copy(update={"config": {"recursion_limit": STEPS}})


def remembering(agent: Agent, saver: BaseCheckpointSaver[Any]) -> Agent:
    """The same agent with the memory of one run; cheap."""
    return agent.copy(update={"checkpointer": saver})


def config(thread_id: str, run_id: str, checkpoint_id: str | None = None) -> RunnableConfig:
    """The `run_id` goes into every checkpoint's metadata, so that the last one of a thread says which run wrote it."""
    configurable = {"thread_id": thread_id}
    if checkpoint_id is not None:
        configurable["checkpoint_id"] = checkpoint_id
    return {"configurable": configurable, "metadata": {"run_id": run_id}}


def stream(
    agent: Agent, given: dict[str, Any] | None, config: RunnableConfig, context: RunContext
) -> AsyncIterator[Mapping[str, Any]]:
    """Runs the agent; its parts are what stream.Translation reads. `given` is None to go on from the checkpoint.

    Durability is "sync" because only so the id of a tool call is stored before the tool starts.
    """
    return agent.astream(
        given,
        config,
        context=context,
        stream_mode=["messages", "updates", "custom", "checkpoints"],
        version="v2",
        durability="sync",
    )
