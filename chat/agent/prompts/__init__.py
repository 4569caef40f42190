"""What the models are told, as Markdown."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """The prompt in `name`.md."""
    return (files(__package__) / f"{name}.md").read_text(encoding="utf-8").strip()
