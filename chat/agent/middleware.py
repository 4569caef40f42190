"""What stands around every model call and every tool call of the agent.

Only wrapping hooks: a hook before or after the model would be a step of the graph, with a checkpoint of its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
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
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
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


class AroundModel(AgentMiddleware[_State, RunContext]):
    """Several that stand around a model call, outermost first, as one.

    LangChain sees for each that it is given whether it is to be traced, which costs more than most of them do.
    """

    def __init__(self, *parts: AgentMiddleware[Any, RunContext, Any]) -> None:
        super().__init__()
        self._parts = parts

    async def awrap_model_call(
        self, request: _Request, handler: Callable[[_Request], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        inner: Callable[[_Request], Awaitable[Any]] = handler
        for part in reversed(self._parts):
            inner = partial(part.awrap_model_call, handler=inner)
        response: ModelResponse[Any] = await inner(request)
        return response


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
        messages = history.valid(request.messages)
        if calls >= MODEL_CALLS - 1:
            request = request.override(messages=messages, tools=[], tool_choice=None)
        else:
            request = request.override(messages=messages, tools=_described(request.tools))
        response = await handler(request)
        response.result = _with_invalid_calls_answered(response.result)
        return response


class ToolBounds(AgentMiddleware[_State, RunContext]):
    """Keeps the tool calls of a run in bounds."""

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
        runtime = request.runtime
        with voice.heard_by(runtime.context.line.through(runtime.stream_writer)):
            return await handler(request)


_known: dict[int, tuple[BaseTool, dict[str, Any]]] = {}


def _described(tools: Sequence[BaseTool | dict[str, Any]]) -> list[BaseTool | dict[str, Any]]:
    """The tools as a request names them, made once for each: a model that is given the tools makes it at every call."""
    return [tool if isinstance(tool, dict) else _description(tool) for tool in tools]


def _description(tool: BaseTool) -> dict[str, Any]:
    if id(tool) not in _known:
        # The tool is kept with it, so that no other can have its id.
        _known[id(tool)] = (tool, convert_to_openai_tool(tool))
    return _known[id(tool)][1]


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
    around_model = AroundModel(Bounds(), sight.Sight(), Heard())
    return [around_model, ToolBounds(), ToolErrorMiddleware(aon_error=_said)]
