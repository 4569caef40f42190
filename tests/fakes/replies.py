"""What the fake OpenAI server says when no turn was scripted, and the shapes of its answers."""

from __future__ import annotations

import base64
import json
import re
import secrets
import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]


def reply(data: Json) -> Json:
    """A turn chosen by the last message: title, tool result, painting, background, counting, echo."""
    messages = data.get("messages") or [{}]
    said = last_user_text(messages)
    tools = {tool.get("function", {}).get("name") for tool in data.get("tools") or ()}
    if any("Give this conversation a title" in text_of(message) for message in messages):
        return {"text": "A short fake title"}
    if messages[-1].get("role") == "tool":
        return {"text": "Done, as you asked."}
    if "generate_image" in tools and (match := re.match(r"(?:paint|draw)\s+(.+)", said, re.IGNORECASE)):
        prompt = match[1].strip().rstrip(".")
        call = {"name": "generate_image", "arguments": {"prompt": prompt}}
        return {"text": f"I paint {prompt}.", "tool_calls": [call]}
    if "set_background" in tools and (match := re.search(r"background (#?\w+)", said)):
        call = {"name": "set_background", "arguments": {"kind": "color", "value": match[1]}}
        return {"text": "I change the background.", "tool_calls": [call]}
    if match := re.search(r"count to (\d+)", said, re.IGNORECASE):
        return {"text": " ".join(str(number) for number in range(1, int(match[1]) + 1))}
    return {"text": f"You said: {said}"}


def completion(turn: Json, data: Json) -> Json:
    """The whole answer, for a request that does not stream."""
    calls = tool_calls(turn)
    message = {"role": "assistant", "content": turn.get("text"), "refusal": turn.get("refusal")}
    if calls:
        message["tool_calls"] = calls
    finish_reason = turn.get("finish_reason", "tool_calls" if calls else "stop")
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": turn["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage(turn, data),
    }


def tool_calls(turn: Json) -> list[Json]:
    calls = []
    for call in turn.get("tool_calls", ()):
        arguments = call.get("arguments", {})
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": call["name"], "arguments": text}
        calls.append(
            {"id": call.get("id", f"call_{secrets.token_hex(8)}"), "type": "function", "function": function}
        )
    return calls


def usage(turn: Json, data: Json) -> Json:
    if isinstance(turn.get("usage"), dict):
        return dict(turn["usage"])
    asked = sum(len(tokens(text_of(message))) for message in data.get("messages", ()))
    said = len(tokens(turn.get("text", ""))) + len(turn.get("tool_calls", ()))
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def tokens(text: str) -> list[str]:
    """The text in pieces that join to it again."""
    return re.findall(r"\s*\S+|\s+$", text)


def last_user_text(messages: list[Json]) -> str:
    return next((text_of(message) for message in reversed(messages) if message.get("role") == "user"), "")


def text_of(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)


def pictures(messages: Iterable[Json]) -> list[str]:
    """The URLs of the pictures that the messages show, in their order."""
    contents = (message.get("content") for message in messages)
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return [block["image_url"]["url"] for block in blocks if block.get("type") == "image_url"]


def image(data: Json) -> Json:
    """The answer of the images endpoint, for a request that does not stream."""
    return {
        "created": 1_750_000_000,
        "data": [{"b64_json": _picture(data), "revised_prompt": None}],
        "usage": {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110},
    }


def image_events(data: Json) -> Iterator[bytes]:
    """The stream of the images endpoint: the partial images that were asked for, then the picture."""
    common = {"created_at": 1_750_000_000, "size": data.get("size", "1024x1024"), "quality": "low"}
    common |= {"background": "opaque", "output_format": "png"}
    for number in range(int(data.get("partial_images") or 0)):
        event = {"type": "image_generation.partial_image", "partial_image_index": number}
        yield _named({**event, **common, "b64_json": _picture({**data, "size": "96x64"})})
    usage = {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110, "input_tokens_details": {}}
    yield _named({"type": "image_generation.completed", **common, "b64_json": _picture(data), "usage": usage})


def _named(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def _picture(data: Json) -> str:
    size = re.fullmatch(r"(\d+)x(\d+)", str(data.get("size", "")))
    width, height = (int(size[1]), int(size[2])) if size else (1024, 1024)
    hue = zlib.crc32(str(data.get("prompt", "")).encode())
    return base64.b64encode(png(width, height, (hue & 255, hue >> 8 & 255, hue >> 16 & 255))).decode()


@lru_cache(maxsize=64)
def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A PNG that fades from black to a colour."""
    rows = b"".join(
        b"\0" + bytes(channel * row // max(1, height - 1) for channel in colour) * width
        for row in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
