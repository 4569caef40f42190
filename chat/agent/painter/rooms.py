"""The pictures of the sign-in pages, by the local painter: `python -m chat.agent.painter.rooms` paints them again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chat.agent.painter.base import Picture
from chat.agent.painter.local import LocalPainter

FOLDER = Path(__file__).parents[3] / "static" / "chat" / "img"
SIZE = (1920, 1200)
ROOMS = {
    "room.webp": ("a quiet lake at dusk, mountains, calm", 1),
    "room-dark.webp": ("a calm lake at night under the moon", 4),
}
"""Each file's prompt and seed."""


async def paint(folder: Path = FOLDER) -> None:
    """Into an existing folder."""
    painter = LocalPainter()
    for name, (prompt, seed) in ROOMS.items():
        async for part in painter.paint(prompt, size=SIZE, seed=seed):
            if isinstance(part, Picture):
                await asyncio.to_thread((folder / name).write_bytes, part.data)


if __name__ == "__main__":
    asyncio.run(paint())
