"""Water: what stands above it upside down, broken by ripples that grow towards us, and the path of light
under the sun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import mix, rgb
from chat.agent.painter.local import noise

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene

_CALM = {"lake": 0.5, "harbour": 0.7, "river": 0.6, "island": 0.8, "waterfall": 0.8}


def paint(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    first = min(int(plan.horizon * canvas.scale), canvas.rows - 2)
    deep = canvas.rows - first
    rows = slice(first, canvas.rows)
    depth = ((np.arange(deep, dtype=np.float32) + 0.5) / np.float32(canvas.scale))[:, None]
    table = noise.tile(512, scene.rng("ripples"), finest=60)
    # Perspective: ripples shrink towards the horizon, so they are looked up by the distance's logarithm.
    down = (np.log(depth + np.float32(0.02)) * np.float32(260)).astype(np.int32) & 511
    across = (canvas.x[None, :] - np.float32(plan.focus)) * np.float32(14) / (depth + np.float32(0.05))
    cell = np.floor(across)
    across -= cell
    first_cell = cell.astype(np.int32) & 511
    ripple = table[down, first_cell]
    ripple += (table[down, (first_cell + 1) & 511] - ripple) * across
    rough = _CALM.get(scene.place, 1.0) * (1.7 if scene.weather & {"storm", "wind"} else 1.0)
    sway = ripple * (depth + np.float32(0.015)) * np.float32(0.34 * rough * canvas.scale)
    mirror = np.clip(
        first - 1 - np.arange(deep, dtype=np.float32)[:, None] * np.float32(1.15) + sway, 0, first - 1
    ).astype(np.int32)
    mirror *= canvas.columns
    mirror += np.arange(canvas.columns, dtype=np.int32)[None, :]
    tint = mix(colours.sky[1][1], rgb("#1f5f78"), 0.35 * colours.day)
    body = mix(tint, colours.near, 0.3)
    share = np.clip(np.float32(0.16) + depth * np.float32(1.15), 0, 0.72)
    for i, plane in enumerate(canvas.pixels):
        seen = plane[:first].reshape(-1)[mirror]
        seen += (np.float32(body[i]) - seen) * share
        plane[rows] = seen
    glint = noise.smoothstep(0.07, 0.22, ripple)
    canvas.add(
        mix(colours.haze, colours.light, 0.3), glint * np.float32(0.16) * np.clip(depth * 8, 0.1, 1), rows
    )
    if plan.sun is not None:
        wide = np.float32(0.035) + depth * np.float32(0.22)
        path = np.exp(-(((canvas.x[None, :] - np.float32(plan.sun[0])) / wide) ** 2))
        broken = noise.smoothstep(-0.06, 0.12, ripple) * path
        canvas.add(colours.light, broken * np.float32(0.75 if not plan.moon else 0.6), rows)
    line = np.exp(-(((canvas.y - np.float32(plan.horizon)) / np.float32(0.006)) ** 2))[:, None]
    canvas.blend(colours.haze, np.broadcast_to(line * np.float32(0.45), canvas.pixels.shape[1:]), slice(None))
