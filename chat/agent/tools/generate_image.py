"""Painting a picture, seen while it comes into being."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from typing import Any, Literal, cast

from langchain.tools import ToolRuntime
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from chat import objects
from chat.agent.context import RunContext
from chat.agent.painter.base import PaintError, Picture
from chat.agent.tools.errors import ToolError

SIZES: dict[str, tuple[int, int]] = {
    "landscape": (1536, 1024),
    "portrait": (1024, 1536),
    "square": (1024, 1024),
}

PROMPT_LIMIT = 4000

REPEATED = "The painter was asked before and the work broke off; what became of that is unknown. Asked again."


class Arguments(BaseModel):
    """What the model gives.

    Not drawn from the function by LangChain, which would take the runtime in and copy it, and with it every message of
    the thread, on every call.
    """

    prompt: str = Field(
        description="What the picture shows, in one or a few sentences: subject, place, light, colours, mood."
    )
    size: Literal["landscape", "portrait", "square"] = Field("landscape", description="The picture's shape.")
    as_background: bool = Field(True, description="Whether the picture becomes the background of the page.")


@tool(args_schema=Arguments)
async def generate_image(
    prompt: str,
    runtime: ToolRuntime[RunContext, Any],
    size: Literal["landscape", "portrait", "square"] = "landscape",
    as_background: bool = True,
) -> str:
    """Paint a picture from a description and show it to the person.

    The person watches it being painted and sees the result at once: do not repeat its URL or embed it.
    Unless as_background is false, it becomes the background of the page.
    """
    prompt = prompt.strip()
    if not prompt:
        raise ToolError("The prompt is empty; say what the picture shows.")
    if len(prompt) > PROMPT_LIMIT:
        raise ToolError(f"The prompt has {len(prompt)} characters; at most {PROMPT_LIMIT} are possible.")
    effects = runtime.context.effects
    tool_call_id = cast(str, runtime.tool_call_id)
    # An attempt that died after saving leaves the picture: the call made again finds it and paints nothing twice.
    image = await effects.find_image(tool_call_id)
    repeated = False
    if image is None:
        if runtime.context.painter.external:
            repeated = await effects.begin(tool_call_id, "generate_image")
        if repeated:
            _say(runtime, progress=None, text=REPEATED)
        picture = await _paint(prompt, SIZES[size], runtime, said=REPEATED if repeated else None)
        image = await effects.save_image(tool_call_id, prompt, picture, as_background)
    runtime.stream_writer(
        {
            "type": "image_ready",
            "url": image.url,
            "prompt": image.prompt,
            "tool_call_id": tool_call_id,
            "image": image.model_dump(mode="json"),
        }
    )
    report = _report(image, as_background)
    return f"{report}\n{REPEATED}" if repeated else report


def _say(
    runtime: ToolRuntime[RunContext, Any],
    *,
    progress: float | None,
    text: str,
    preview_url: str | None = None,
) -> None:
    runtime.stream_writer(
        {
            "type": "tool_call_progress",
            "tool_call_id": runtime.tool_call_id,
            "progress": progress,
            "text": text,
            "preview_url": preview_url,
        }
    )


async def _paint(
    prompt: str, size: tuple[int, int], runtime: ToolRuntime[RunContext, Any], said: str | None
) -> Picture:
    """What the painter says of its steps is told, or this in its place."""
    tool_call_id = cast(str, runtime.tool_call_id)
    # The seed follows from the call, so that a painting that is begun again becomes the same picture.
    seed = int.from_bytes(hashlib.sha256(tool_call_id.encode()).digest()[:4], "big")
    async with aclosing(cast(Any, runtime.context.painter.paint(prompt, size=size, seed=seed))) as painting:
        async for step in painting:
            if isinstance(step, Picture):
                return step
            preview_url = None
            if step.preview is not None:
                preview_url = await runtime.context.effects.save_preview(
                    tool_call_id, step.preview, "image/jpeg"
                )
            _say(runtime, progress=step.progress, text=said or step.text, preview_url=preview_url)
    raise PaintError("bad_answer", "The painter ended without a picture. Try again.", retryable=True)


def _report(image: objects.Image, as_background: bool) -> str:
    place = " and is the background of the page now" if as_background else ""
    return (
        f"Painted; the person sees it already{place}.\n"
        f"image_id: {image.id}\nsize: {image.width}x{image.height}\nprompt: {image.prompt}\nurl: {image.url}"
    )
