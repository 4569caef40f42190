"""Image backends: a prompt goes in, steps with previews come out, the picture comes last.

Knows no Django and no LangGraph. `create` picks the backend; `accent` (in accent.py) reads a page's colour
off a picture.
"""

from __future__ import annotations

from typing import Literal

from chat.agent.painter.base import Painter, PaintError, Picture, Step


def create(
    backend: Literal["local", "openai"], *, api_key: str = "", base_url: str | None = None, model: str = ""
) -> Painter:
    """The painter of that name. The arguments are the OpenAI painter's; the local one needs none."""
    if backend == "local":
        from chat.agent.painter.local import LocalPainter

        return LocalPainter()
    from chat.agent.painter.openai import OpenAIPainter  # imported late: the client takes a second to load

    return OpenAIPainter(api_key=api_key, base_url=base_url, model=model)


__all__ = ["PaintError", "Painter", "Picture", "Step", "create"]
