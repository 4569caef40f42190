"""The last touches: bloom around what is bright, a quiet vignette, and a grain that keeps gradients from
banding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas
    from chat.agent.painter.local.scene import Scene

BLOOM = 0.16
VIGNETTE = 0.16
GRAIN = 1.7 / 255


def paint(canvas: Canvas, scene: Scene) -> None:
    _bloom(canvas)
    across = (canvas.x / np.float32(canvas.width) - np.float32(0.5)) ** 2
    down = (canvas.y / np.float32(canvas.height) - np.float32(0.5)) ** 2
    shade = 1 - np.float32(VIGNETTE) * (across[None, :] + down[:, None]) ** 1.5 * 2.4
    grain = scene.rng("grain").standard_normal((canvas.rows, canvas.columns), np.float32) * np.float32(GRAIN)
    for plane in canvas.pixels:
        plane *= shade
        plane += grain


def _bloom(canvas: Canvas) -> None:
    small = canvas.image().resize(
        (max(canvas.columns // 8, 1), max(canvas.rows // 8, 1)), Image.Resampling.BOX
    )
    bright = small.point(lambda value: max(0, value - 150) * 2)
    soft = bright.filter(ImageFilter.GaussianBlur(canvas.scale / 8 * 0.02))
    light = soft.resize((canvas.columns, canvas.rows), Image.Resampling.BILINEAR)
    for plane, band in zip(canvas.pixels, light.split(), strict=True):
        plane += (1 - plane) * np.asarray(band, np.float32) * np.float32(BLOOM / 255)
