"""The demo model: a LangChain chat model of plain rules, for when no real one is set.

It streams Markdown, calls the tools, and remembers the thread, so that the whole application can be
tried without a key. It is no language model and says so. What it says is decided in replies.py;
the same messages get the same answer (the ids of tool calls are new each time, as with a real model).
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from chat.agent import voice
from chat.agent.coalesce import Batch, ToolCallPiece, gather
from chat.agent.demo import replies
from chat.agent.ticks import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models.model_profile import ModelProfile
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

    from chat.agent.demo.request import Reply

NAME = "demo"
_TOKEN = re.compile(r"\s*\S{1,8}|\s+")


class DemoModel(BaseChatModel):
    """A chat model that answers by rules, at a pace one can read along with."""

    tokens_per_second: float = 50
    """The pace of its stream; 0 sends everything at once."""

    window_seconds: float = WINDOW_SECONDS

    @property
    def _llm_type(self) -> str:
        return NAME

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": NAME}

    def _resolve_model_profile(self) -> ModelProfile:
        return {"image_inputs": False}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = replies.reply(messages, _tool_names(kwargs))
        message = AIMessage(
            content=reply.text,
            tool_calls=[
                tool_call(name=call.name, args=call.args, id=_call_id()) for call in reply.tool_calls
            ],
            usage_metadata=_usage(messages, reply),
            response_metadata=_metadata(reply),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = replies.reply(messages, _tool_names(kwargs))

        async def speak(batch: Batch) -> None:
            loop = asyncio.get_running_loop()
            pause = 1 / self.tokens_per_second if self.tokens_per_second else 0
            due = loop.time()
            for token in _TOKEN.findall(reply.text):
                batch.text(token)
                due += pause
                if pause:
                    # Against the clock, not one sleep after the other: the pace holds under load.
                    await asyncio.sleep(max(0, due - loop.time()))
            for index, call in enumerate(reply.tool_calls):
                batch.tool_call(ToolCallPiece(index, _call_id(), call.name, json.dumps(call.args)))
            message = AIMessageChunk(content="", usage_metadata=_usage(messages, reply))
            batch.chunk(ChatGenerationChunk(message=message, generation_info=_metadata(reply)))

        heard = gather(speak, window_seconds=self.window_seconds, provider=NAME, listener=voice.listener())
        async with aclosing(heard) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk


def _tool_names(kwargs: dict[str, Any]) -> frozenset[str]:
    return frozenset(tool["function"]["name"] for tool in kwargs.get("tools") or ())


def _call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _metadata(reply: Reply) -> dict[str, Any]:
    return {"finish_reason": "tool_calls" if reply.tool_calls else "stop", "model_name": NAME}


def _usage(messages: list[BaseMessage], reply: Reply) -> UsageMetadata:
    """Approximate: a token is about four characters."""
    asked = sum(_tokens(str(message.text)) for message in messages)
    said = _tokens(reply.text) + sum(_tokens(json.dumps(call.args)) for call in reply.tool_calls)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
