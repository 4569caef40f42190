"""Reading a path's messages: which belong to the last turn, what they say, what of them is unfinished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

CANCELLED = "Cancelled before it finished; nothing came of it."
"""What the model reads in the place of a result that never came."""


def answer(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What has come after the last message of the person."""
    for at in range(len(messages) - 1, -1, -1):
        if isinstance(messages[at], HumanMessage):
            return list(messages[at + 1 :])
    return list(messages)


def certain_text(messages: Sequence[BaseMessage]) -> str:
    """The text of the answer to the last message of the person, as far as the checkpoint holds it."""
    return join(text(message) for message in answer(messages) if isinstance(message, AIMessage))


def join(texts: Iterable[str]) -> str:
    """One answer from the texts of its steps."""
    return "\n\n".join(text for text in texts if text)


def text(message: BaseMessage) -> str:
    """What a person reads of the message: its text, or the refusal that came in its place."""
    if isinstance(message.content, str):
        said = message.content
    else:
        said = "".join(_block_text(block) for block in message.content)
    said = said or _string(message.additional_kwargs.get("refusal"))
    return said.replace("\x00", "")  # which no row can hold


def reasoning(message: BaseMessage) -> str:
    """What the model lets be seen of its thought, wherever its provider puts it."""
    aside = _string(message.additional_kwargs.get("reasoning_content"))
    if not isinstance(message.content, str):
        aside += "".join(_block_reasoning(block) for block in message.content)
    return aside.replace("\x00", "")


def unanswered(messages: Sequence[BaseMessage]) -> list[ToolCall]:
    """The tool calls without a result, in their order."""
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    return [
        call
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] not in answered
    ]


def valid(messages: list[AnyMessage]) -> list[AnyMessage]:
    """The messages as providers accept them: behind every tool call its result, no result without its call.

    The same list when it is so already, as it nearly always is.
    """
    results = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    ordered: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        ordered.append(message)
        if isinstance(message, AIMessage):
            ordered += [results.get(call["id"] or "") or cancelled(call) for call in message.tool_calls]
    same = len(ordered) == len(messages) and all(a is b for a, b in zip(ordered, messages, strict=True))
    return messages if same else ordered


def cancelled(call: ToolCall, why: str = CANCELLED) -> ToolMessage:
    """The result of a call that came to nothing."""
    call_id = call["id"] or ""
    return ToolMessage(why, id=f"settled-{call_id}", tool_call_id=call_id, name=call["name"], status="error")


def usage(message: AIMessage) -> dict[str, int]:
    """What the model call cost, in one flat table; empty when the provider does not say."""
    metadata: Mapping[str, Any] = message.usage_metadata or {}
    table = {key: metadata.get(key, 0) for key in ("input_tokens", "output_tokens", "total_tokens")}
    table["cached_tokens"] = (metadata.get("input_token_details") or {}).get("cache_read", 0)
    table["reasoning_tokens"] = (metadata.get("output_token_details") or {}).get("reasoning", 0)
    return {key: value for key, value in table.items() if value}


def _block_text(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    match block.get("type"):
        case "text":
            return _string(block.get("text"))
        case "refusal":
            return _string(block.get("refusal"))
    return ""


def _block_reasoning(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return ""
    match block.get("type"):
        case "reasoning":
            summary = block.get("summary")
            parts = summary if isinstance(summary, list) else []
            return _string(block.get("reasoning")) or "".join(_string(part.get("text")) for part in parts)
        case "thinking":
            return _string(block.get("thinking"))
    return ""


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
