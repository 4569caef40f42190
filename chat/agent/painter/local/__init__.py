"""The local painter: pictures from a prompt's words, by arithmetic alone. No model, no network, no claim
to be one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chat.agent.painter.base import PaintError, Picture, Step
from chat.agent.painter.local import studio
from chat.agent.painter.local.canvas import Canvas
from chat.agent.painter.local.scene import Scene, describe, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_PIXELS = 4096 * 2304
EASELS = 2
"""Pictures painted at a time in one process: each holds about 80 MB and a core."""
PREVIEWS = ((0.2, 40), (0.45, 96), (0.7, 220), (0.9, 512))
"""After each stage: the progress, and how many pixels wide the preview is painted."""


class LocalPainter:
    """Paints the same bytes for the same prompt, size and seed. Work runs in threads, one short stage at a
    time.
    """

    external = False

    def __init__(self, *, easels: int = EASELS) -> None:
        self._easels = asyncio.Semaphore(easels)

    async def paint(self, prompt: str, *, size: tuple[int, int], seed: int) -> AsyncIterator[Step | Picture]:
        width, height = size
        if min(size) < 64 or width * height > MAX_PIXELS or not 1 / 4 <= width / height <= 4:
            raise PaintError(
                "invalid_size", f"A picture of {width}×{height} cannot be painted; 1536×1024 can."
            )
        if not prompt.strip():
            raise PaintError(
                "invalid_prompt", "There is nothing to paint yet: say what the picture should show."
            )
        if self._easels.locked():
            yield Step(0.0, "waiting for a free easel", None)
        async with self._easels:
            scene = read(prompt, seed)
            canvas = Canvas(size)
            for (text, work), (progress, wide) in zip(studio.stages(canvas, scene), PREVIEWS, strict=True):
                await asyncio.to_thread(work)
                yield Step(progress, text, await asyncio.to_thread(studio.preview, scene, size, wide))
            data, mime = await asyncio.to_thread(studio.encoded, canvas)
        yield Picture(data=data, mime=mime, width=width, height=height, revised_prompt=describe(scene))


__all__ = ["LocalPainter", "Scene", "describe", "read"]
