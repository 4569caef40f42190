"""Changing what stands behind the conversation."""

from __future__ import annotations

from typing import Any, Literal

from langchain.tools import ToolRuntime
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from chat.agent.context import Effects, RunContext
from chat.agent.tools import css
from chat.agent.tools.errors import ToolError


class Arguments(BaseModel):
    """What the model gives; see generate_image.Arguments."""

    kind: Literal["image", "color", "gradient", "none"] = Field(
        description="What the background becomes; none removes it."
    )
    value: str | None = Field(
        None, description="A CSS colour for kind color; a CSS gradient for kind gradient; else null."
    )
    image_id: str | None = Field(
        None, description="For kind image: the picture's id; null means the person's newest picture."
    )


@tool(args_schema=Arguments)
async def set_background(
    kind: Literal["image", "color", "gradient", "none"],
    runtime: ToolRuntime[RunContext, Any],
    value: str | None = None,
    image_id: str | None = None,
) -> str:
    """Change the background of the page: to a picture that was painted before, a colour, a gradient, or nothing."""
    effects = runtime.context.effects
    match kind:
        case "none":
            await effects.set_background(None)
            return "The background is plain again."
        case "image":
            return await _show_image(effects, image_id)
        case "color":
            try:
                color = css.color(value or "")
            except ValueError as error:
                raise ToolError(str(error)) from error
            await effects.set_background({"kind": "color", "value": color})
            return f"The background is the colour {color} now."
        case "gradient":
            try:
                gradient = css.gradient(value or "")
            except ValueError as error:
                raise ToolError(str(error)) from error
            await effects.set_background({"kind": "gradient", "value": gradient})
            return f"The background is {gradient} now."


async def _show_image(effects: Effects, image_id: str | None) -> str:
    if image_id is None:
        newest = await effects.recent_images(1)
        if not newest:
            raise ToolError("There is no picture yet; paint one with generate_image.")
        image_id = newest[0].id
    try:
        await effects.set_background({"kind": "image", "image_id": image_id})
    except LookupError as error:
        raise ToolError(f"The person has no picture with the id {image_id!r}.") from error
    return f"The background is the picture {image_id} now."
