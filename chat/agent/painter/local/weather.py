"""The weather in front of everything: mist, rain, snow, lightning, a rainbow, an aurora."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import mix, rgb
from chat.agent.painter.local import noise

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas, Pen, Points
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene


def behind(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """What belongs to the sky: painted before the land."""
    if "aurora" in scene.weather:
        _aurora(canvas, scene, plan)
    if "storm" in scene.weather:
        _lightning(canvas, scene, plan)
    if "rainbow" in scene.weather:
        _rainbow(canvas, scene, plan)


def between(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """Mist between the land and the foreground."""
    strength = 0.75 if "fog" in scene.weather else 0.35 if scene.time == "dawn" else 0.0
    if strength == 0:
        return
    rows = canvas.rows_between(plan.horizon - 0.2, plan.horizon + 0.3)
    shape = (rows.stop - rows.start, canvas.columns)
    drift = noise.field(shape, scene.rng("mist"), cells=(4, 2), octaves=3)
    place = (canvas.y[rows] - np.float32(plan.horizon + 0.05)) / np.float32(0.12)
    canvas.blend(
        mix(colours.haze, colours.light, 0.2),
        np.exp(-(place**2))[:, None] * (drift * np.float32(0.9) + 0.15) * np.float32(strength),
        rows,
    )


def front(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    if scene.weather & {"rain", "storm"}:
        _rain(canvas, scene, colours)
    if "snow" in scene.weather:
        _snow(canvas, scene)
    if "fog" in scene.weather:
        veil = np.clip(0.22 - np.abs(canvas.y - np.float32(plan.horizon)) * np.float32(0.7), 0.0, 1)[:, None]
        canvas.blend(colours.haze, np.broadcast_to(veil, canvas.pixels.shape[1:]), slice(None))


def _aurora(canvas: Canvas, scene: Scene, plan: Plan) -> None:
    """Curtains: a wavy foot line, rays above it that fade upwards from green to violet."""
    rows = canvas.rows_between(0, plan.horizon)
    for index, (height, strength) in enumerate(((0.62, 0.85), (0.44, 0.6), (0.78, 0.45))):
        chance = scene.rng(f"aurora {index}")
        foot = plan.horizon * height + noise.curve(
            canvas.x, chance, frequency=0.8, octaves=2, gain=0.35
        ) * np.float32(0.12)
        rays = noise.curve(canvas.x, chance, frequency=14, octaves=4, gain=0.6) * np.float32(
            0.4
        ) + np.float32(0.75)
        swell = noise.smoothstep(-0.5, 0.5, noise.curve(canvas.x, chance, frequency=0.9, octaves=2))
        above = (foot[None, :] - canvas.y[rows, None]) / (np.float32(0.26) * np.clip(rays, 0.3, 1.3))[None, :]
        light = np.exp(-np.maximum(above, 0) * np.float32(1.7)) * np.clip(1 + above * np.float32(7), 0, 1)
        light *= (np.clip(rays, 0.2, 1.2) * swell)[None, :] * np.float32(strength)
        high = np.clip(above * np.float32(0.8), 0, 1)
        canvas.add(rgb("#4df0a8"), light * (1 - high), rows)
        canvas.add(rgb("#9a5cf0"), light * high * np.float32(1.1), rows)


def _lightning(canvas: Canvas, scene: Scene, plan: Plan) -> None:
    chance = scene.rng("lightning")
    x = canvas.width * (0.5 - 0.2 * scene.side)
    steps = 26
    y = np.linspace(plan.horizon * 0.18, plan.horizon * 1.02, steps)
    path = x + np.cumsum(chance.normal(0, 0.012, steps))
    thick = np.linspace(0.0032, 0.0009, steps)
    bolt = [*zip(path - thick, y, strict=True), *reversed(list(zip(path + thick, y, strict=True)))]
    fork = [
        (path[10], y[10]),
        (path[10] + 0.05, y[13]),
        (path[10] + 0.068, y[16]),
        (path[10] + 0.05, y[13] + 0.004),
    ]

    def draw(pen: Pen) -> None:
        pen.area(bolt)
        pen.area(fork)

    stencil = canvas.stencil((x - 0.2, 0, x + 0.2, plan.horizon + 0.03), draw)
    canvas.add(
        rgb("#c9d8ff"), stencil.blurred(canvas.scale * 0.022).cover * 2.2, stencil.rows, stencil.columns
    )
    canvas.stamp(rgb("#f6f8ff"), stencil)


def _rainbow(canvas: Canvas, scene: Scene, plan: Plan) -> None:
    x, y = canvas.width * (0.5 - 0.3 * scene.side), plan.horizon + 0.12
    rows = canvas.rows_between(0, plan.horizon + 0.05)
    far = np.sqrt(
        ((canvas.x - np.float32(x)) ** 2)[None, :] + ((canvas.y[rows] - np.float32(y)) ** 2)[:, None]
    )
    place = (far - np.float32(0.56)) / np.float32(0.052)
    band = (
        np.exp(-((place - np.float32(0.5)) ** 2) * 5)
        * np.clip((plan.horizon + 0.02 - canvas.y[rows]) * 5, 0, 1)[:, None]
    )
    hues = [rgb(code) for code in ("#8a5ad0", "#4a7fe0", "#45c47a", "#f0e05a", "#f39a3e", "#e8483e")]
    for i, plane in enumerate(canvas.pixels):
        tone = np.interp(place, np.linspace(0, 1, len(hues)), [hue[i] for hue in hues]).astype(np.float32)
        plane[rows] += (tone - plane[rows]) * band * np.float32(0.5)


def _rain(canvas: Canvas, scene: Scene, colours: Palette) -> None:
    chance = scene.rng("rain")
    count = 900
    slant = 0.2 * scene.side * (1.8 if scene.weather & {"storm", "wind"} else 1)
    at = chance.random((count, 2)) * (canvas.width + 0.2, canvas.height) - (0.1, 0)
    long = chance.uniform(0.025, 0.07, count)
    shine = chance.uniform(40, 150, count)

    def draw(pen: Pen) -> None:
        for (x, y), length, bright in zip(at.tolist(), long.tolist(), shine.tolist(), strict=True):
            end = (x + slant * length, y + length)
            pen.area([(x, y), end, (end[0] + 0.0011, end[1]), (x + 0.0011, y)], int(bright))

    canvas.stamp(
        mix(colours.haze, rgb("#eef3f8"), 0.5),
        canvas.stencil((0, 0, canvas.width, canvas.height), draw),
        0.42,
    )


def _snow(canvas: Canvas, scene: Scene) -> None:
    chance = scene.rng("snow")
    for count, size, opacity in ((620, 0.0013, 0.7), (190, 0.0023, 0.7), (30, 0.0055, 0.32)):
        at = chance.random((count, 2)) * (canvas.width, canvas.height)
        radius = size * chance.uniform(0.6, 1.3, count)

        def draw(pen: Pen, at: Points = at, radius: Points = radius) -> None:
            for (x, y), r in zip(at.tolist(), radius.tolist(), strict=True):
                pen.disc(x, y, r)

        flakes = canvas.stencil((0, 0, canvas.width, canvas.height), draw)
        canvas.stamp(rgb("#f7faff"), flakes.blurred(size * canvas.scale * 0.45), opacity)
