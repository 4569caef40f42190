"""The agent's tools, one a file. A tool changes the world only through RunContext.effects."""

from __future__ import annotations

from langchain_core.tools import BaseTool

from chat.agent.tools.generate_image import generate_image
from chat.agent.tools.set_background import set_background

ALL: tuple[BaseTool, ...] = (generate_image, set_background)

__all__ = ["ALL", "generate_image", "set_background"]
