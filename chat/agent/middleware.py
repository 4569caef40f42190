"""What stands around every model call and every tool call of the agent.

Only wrapping hooks: a hook before or after the model would be a step of the graph, with a checkpoint of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    ToolErrorMiddleware,
)
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langgraph.types import Command

from chat.agent import history, sight, voice
from chat.agent.context import RunContext
from chat.agent.painter.base import PaintError
from chat.agent.tools.errors import ToolError
from chat.errors import RunLost, Unavailable

logger = logging.getLogger(__name__)

MODEL_CALLS = 12
"""Model calls in one run. The last one gets no tools, so that it ends in words."""

TOOL_CALLS = 24
"""Tool calls in one run; the further ones are answered without being made."""

_Request = ModelRequest[RunContext]
_State = AgentState[Any]


class TooManySteps(Exception):
    """The model went on calling tools where it had none."""


class Bounds(AgentMiddleware[_State, RunContext]):
    """Keeps a run finite and the model's history valid. Both follow from the messages: no counter is stored."""

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        calls = sum(isinstance(message, AIMessage) for message in history.answer(request.messages))
        if calls > MODEL_CALLS:
            raise TooManySteps
        # A safety net: a run that ended in mid-tool is settled by resume.py, but a dangling call would make every later
        # turn of the thread fail at the provider.
        request = request.override(messages=history.valid(request.messages))
        if calls >= MODEL_CALLS - 1:
            request = request.override(tools=[], tool_choice=None)
        response = await handler(request)
        response.result = _with_invalid_calls_answered(response.result)
        return response

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        messages: list[AnyMessage] = request.state["messages"]
        asked = [
            call["id"]
            for message in history.answer(messages)
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        ]
        if request.tool_call["id"] in asked[TOOL_CALLS:]:
            return history.cancelled(
                request.tool_call, f"Not done: one answer may call tools {TOOL_CALLS} times."
            )
        return await handler(request)


class Heard(AgentMiddleware[_State, RunContext]):
    """Lets the model's words into the run's stream as they come."""

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        with voice.heard_by(request.runtime.stream_writer):
            return await handler(request)


def _with_invalid_calls_answered(result: list[BaseMessage]) -> list[BaseMessage]:
    """Turns calls whose arguments are no JSON into calls that failed, so that the model sees why and tries again.

    As they come from LangChain they are no tool calls: the run would end there, without an answer.
    """
    mended: list[BaseMessage] = []
    for message in result:
        mended.append(message)
        if not isinstance(message, AIMessage) or not message.invalid_tool_calls:
            continue
        invalid, message.invalid_tool_calls = message.invalid_tool_calls, []
        for at, call in enumerate(invalid):
            valid = tool_call(
                name=call["name"] or "unknown", args={}, id=call["id"] or f"invalid-{message.id}-{at}"
            )
            message.tool_calls = [*message.tool_calls, valid]
            why = f"Not done: the arguments are not valid JSON: {json.dumps((call['args'] or '')[:200])}"
            mended.append(history.cancelled(valid, why))
    return mended


async def _said(error: Exception, request: ToolCallRequest) -> str | None:
    """What the model and the person read of a tool's failure; None lets the error end the run."""
    match error:
        case RunLost() | Unavailable():
            return None
        case ToolError():
            return str(error)
        case PaintError():
            return error.message
    logger.error("The tool %s failed unexpectedly.", request.tool_call["name"], exc_info=error)
    return "The tool failed for a reason on the server's side. It may be tried again."


def all_of() -> list[AgentMiddleware[Any, RunContext, Any]]:
    """Outermost first. The model's client retries what failed before it streamed; nothing is retried after, but that a
    server that refuses pictures is asked without them."""
    return [Bounds(), sight.Sight(), Heard(), ToolErrorMiddleware(aon_error=_said)]
