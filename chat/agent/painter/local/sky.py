"""The sky: its gradient, its light, its stars and its clouds."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import noise
from chat.agent.painter.local.canvas import Canvas, Pen, Plane, ramp

if TYPE_CHECKING:
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene


def paint(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    _gradient(canvas, plan, colours)
    if scene.place == "space":
        _nebula(canvas, scene, colours)
    if scene.starry:
        _stars(canvas, scene, plan, colours)
    _glow(canvas, plan, colours)
    _disc(canvas, plan, colours)
    if scene.place == "space" or scene.has("planet"):
        _planet(canvas, scene, plan, colours)
    elif not scene.weather & {"clear", "fog", "aurora"}:
        _clouds(canvas, scene, plan, colours)


def _gradient(canvas: Canvas, plan: Plan, colours: Palette) -> None:
    rows = ramp((at * plan.horizon, colour) for at, colour in _smooth(colours.sky))(canvas.y)
    canvas.pixels[:] = rows[:, :, None]


def _smooth(stops: tuple[tuple[float, Floats], ...]) -> list[tuple[float, Floats]]:
    """The stops with others mixed between them in OKLab, so that no band shows where two hues meet."""
    fine = [
        (low + (high - low) * share, mix(one, other, share))
        for (low, one), (high, other) in pairwise(stops)
        for share in np.linspace(0, 1, 8, endpoint=False).tolist()
    ]
    return [*fine, stops[-1]]


def _glow(canvas: Canvas, plan: Plan, colours: Palette) -> None:
    """The light around the sun, and the band of it along the horizon."""
    band = np.exp(-(((canvas.y - plan.horizon) / 0.2) ** 2)) * 0.22 * colours.glow
    if plan.sun is None:
        canvas.add(colours.haze, np.broadcast_to(band.astype(np.float32)[:, None], canvas.pixels.shape[1:]))
        return
    x, y, radius = plan.sun
    across = ((canvas.x - x) * 0.8)[None, :] ** 2
    far = np.sqrt(across + ((canvas.y - y) ** 2)[:, None])
    strength = (0.34 if plan.moon else 0.6) * colours.glow
    wide = np.exp(far * np.float32(-1 / (0.16 if plan.moon else 0.26)))
    canvas.add(
        mix(colours.haze, colours.light, 0.45), wide * np.float32(strength) + band.astype(np.float32)[:, None]
    )
    rows = canvas.rows_between(y - radius * 6, y + radius * 6)
    canvas.add(
        colours.light, np.exp(far[rows] * np.float32(-1 / (radius * 1.1))) * np.float32(strength * 0.75), rows
    )


def _disc(canvas: Canvas, plan: Plan, colours: Palette) -> None:
    if plan.sun is None:
        return
    x, y, radius = plan.sun
    box = (x - radius * 1.1, y - radius * 1.1, x + radius * 1.1, y + radius * 1.1)
    canvas.stamp(colours.light, canvas.stencil(box, lambda pen: pen.disc(x, y, radius)), 0.96)
    if not plan.moon:
        return
    seas = [(-0.3, -0.25, 0.3), (0.25, -0.35, 0.2), (0.1, 0.25, 0.34), (-0.4, 0.3, 0.16), (0.5, 0.1, 0.15)]

    def maria(pen: Pen) -> None:
        for across, down, wide in seas:
            pen.disc(x + across * radius, y + down * radius, wide * radius)

    stain = canvas.stencil(box, maria).blurred(radius * canvas.scale * 0.09)
    canvas.stamp(mix(colours.light, rgb("#8f93a8"), 0.6), stain, 0.3)


def _stars(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    chance = scene.rng("stars")
    count = 900 if scene.place == "space" else 420 if scene.time == "night" else 150
    at = chance.random((count, 2)) * (canvas.width, plan.horizon * 0.96)
    size = 0.0006 + 0.0011 * chance.random(count) ** 5
    if scene.has("star"):
        size[::30] *= 2.6
    fade = np.clip(1.15 - at[:, 1] / plan.horizon, 0, 1) * chance.uniform(0.35, 1, count)

    def dots(pen: Pen) -> None:
        for (x, y), radius, shine in zip(at.tolist(), size.tolist(), fade.tolist(), strict=True):
            pen.disc(x, y, max(radius, 0.7 / canvas.scale), int(255 * shine))

    canvas.stamp(rgb("#fdf8ea"), canvas.stencil((0, 0, canvas.width, plan.horizon), dots), 0.9)
    if not scene.has("star"):
        return
    _sparkles(canvas, scene, plan)
    x, y, long = canvas.width * (0.5 + 0.12 * scene.side), plan.horizon * 0.36, 0.24
    tail = [(x, y + 0.0026), (x - scene.side * long, y - long * 0.42), (x, y - 0.0026)]
    trace = canvas.stencil((x - 0.3, y - 0.2, x + 0.3, y + 0.05), lambda pen: pen.area(tail))
    fall = np.clip(1 - np.abs(canvas.x[trace.columns] - x) / np.float32(long), 0, 1)
    trace.cover *= (fall**1.5)[None, :]
    canvas.stamp(rgb("#fffaf0"), trace, 0.95)


def _sparkles(canvas: Canvas, scene: Scene, plan: Plan) -> None:
    """A few bright stars with four rays, and the soft light around them."""
    chance = scene.rng("sparkles")
    at = chance.random((7, 2)) * (canvas.width, plan.horizon * 0.62) + (0, plan.horizon * 0.05)
    rays = chance.uniform(0.009, 0.021, 7)
    if plan.sun is not None:
        rays[np.hypot(at[:, 0] - plan.sun[0], at[:, 1] - plan.sun[1]) < 0.16] = 0

    def draw(pen: Pen) -> None:
        for (x, y), ray in zip(at.tolist(), rays.tolist(), strict=True):
            turns = np.arange(8) * np.pi / 4
            reach = np.where(np.arange(8) % 2, ray * 0.13, ray)
            pen.area(np.stack([x + np.cos(turns) * reach, y + np.sin(turns) * reach], 1))

    stencil = canvas.stencil((0, 0, canvas.width, plan.horizon), draw)
    halo = stencil.blurred(canvas.scale * 0.008).cover * np.float32(1.6)
    canvas.add(rgb("#dfe6ff"), halo, stencil.rows, stencil.columns)
    canvas.stamp(rgb("#fffaf0"), stencil, 0.95)


def _nebula(canvas: Canvas, scene: Scene, colours: Palette) -> None:
    shape = (canvas.rows // 2, canvas.columns // 2)
    cloud = noise.field(shape, scene.rng("nebula"), cells=(3, 4), octaves=6, gain=0.55)
    other = noise.field(shape, scene.rng("nebula hue"), cells=(2, 3), octaves=5)
    x = np.linspace(0, 1, shape[1], dtype=np.float32)[None, :]
    y = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    band = np.exp(-(((y - 0.42 - 0.25 * scene.side * (x - 0.5)) / 0.25) ** 2))
    density = noise.smoothstep(0.38, 0.8, cloud) * band
    warm, cool = (mix(rgb(code), colours.sky[2][1], 0.2) for code in ("#e0609a", "#4f7fe0"))
    for colour, share in (
        (cool, density * (1 - other)),
        (warm, density * noise.smoothstep(0.45, 0.75, other)),
    ):
        light = np.repeat(np.repeat(share, 2, 0), 2, 1)
        light = np.pad(
            light, ((0, canvas.rows - light.shape[0]), (0, canvas.columns - light.shape[1])), "edge"
        )
        canvas.add(colour, light * np.float32(0.8))


def _planet(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    x, y, radius = canvas.width * (0.5 - 0.22 * scene.side), plan.horizon * 0.36, 0.15
    named = next(
        (actor.colour for actor in scene.actors if actor.subject == "planet" and actor.colour), "#e0a46c"
    )
    box = (x - radius * 2.3, y - radius * 1.3, x + radius * 2.3, y + radius * 1.3)
    ball = canvas.stencil(box, lambda pen: pen.disc(x, y, radius))
    across = (canvas.x[ball.columns][None, :] - np.float32(x)) / np.float32(radius)
    down = (canvas.y[ball.rows][:, None] - np.float32(y)) / np.float32(radius)
    lit = np.clip(0.62 - plan.towards * -0.6 * across - 0.35 * down, 0.04, 1)
    stripes = noise.curve(canvas.y[ball.rows], scene.rng("planet"), frequency=9, octaves=3)[
        :, None
    ] * np.float32(0.14)
    for plane, value in zip(canvas.pixels, rgb(named), strict=True):
        part = plane[ball.rows, ball.columns]
        part += (np.clip(np.float32(value) * lit * (1 + stripes), 0, 1) - part) * ball.cover
    turn = np.linspace(0, 2 * np.pi, 120)
    for wide, dark in ((2.0, 0.6), (1.65, 0.35)):
        ring = [
            (x + radius * wide * np.cos(a), y + radius * (0.3 * np.sin(a) + 0.16 * np.cos(a))) for a in turn
        ]
        inner = [(x + (px - x) * 0.87, y + (py - y) * 0.87) for px, py in ring]

        def hoop(
            pen: Pen, outer: list[tuple[float, float]] = ring, hole: list[tuple[float, float]] = inner
        ) -> None:
            pen.area(outer)
            pen.area(hole, 0)

        band = canvas.stencil(box, hoop)
        behind = (down < np.float32(0.16) * across) & (across**2 + down**2 < 1)
        band.cover[behind] = 0
        canvas.stamp(mix(rgb(named), colours.light, dark), band, 0.75)


def _clouds(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """Streaks high up, and banks with lit tops that thin out downwards, far ones lower and paler."""
    heavy = bool(scene.weather & {"cloudy", "rain", "storm", "snow"})
    _streaks(canvas, scene, plan, colours, 0.55 if heavy else 0.34)
    top = mix(colours.haze, colours.light, 0.55 if colours.day > 0.4 else 0.25)
    if "storm" in scene.weather:
        top = mix(top, colours.near, 0.45)
    for index, (height, opacity) in enumerate(_banks(scene, heavy)):
        chance = scene.rng(f"bank {index}")
        tops = noise.billow(canvas.x * np.float32(1 + 0.25 * index), chance, frequency=1.5 + 0.5 * index)
        swell = noise.smoothstep(-0.25, 0.55, noise.curve(canvas.x, chance, frequency=0.75, octaves=2))
        line = plan.horizon * np.float32(height) - (0.03 + 0.17 * tops) * swell * np.float32(1 - 0.12 * index)
        _bank(
            canvas,
            line.astype(np.float32),
            swell,
            top,
            mix(top, colours.sky[2][1], 0.55),
            opacity,
            0.1 + 0.04 * heavy,
        )


def _banks(scene: Scene, heavy: bool) -> list[tuple[float, float]]:
    if heavy:
        return [(0.5, 0.5), (0.68, 0.6), (0.86, 0.65)]
    return [(0.9, 0.5)] if scene.time in ("day", "golden", "dawn") else [(0.92, 0.22)]


def _bank(
    canvas: Canvas, line: Plane, swell: Plane, top: Floats, foot: Floats, opacity: float, deep: float
) -> None:
    rows = canvas.rows_between(float(line.min()), float(line.max()) + deep * 1.6)
    depth = (canvas.y[rows, None] - line[None, :]) / np.float32(deep)
    thin = np.clip(1 - depth * np.float32(0.62), 0, 1)
    cover = (
        canvas.below(line, rows)
        * thin
        * thin
        * (np.clip(swell * np.float32(2.5), 0, 1) * np.float32(opacity))[None, :]
    )
    shade = np.clip(depth * np.float32(1.3), 0, 1)
    for plane, high, low in zip(canvas.pixels, top, foot, strict=True):
        part = plane[rows]
        part += (np.float32(high) + np.float32(low - high) * shade - part) * cover


def _streaks(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, opacity: float) -> None:
    rows = canvas.rows_between(0, plan.horizon)
    shape = (max((rows.stop - rows.start) // 2, 1), canvas.columns // 2 + 1)
    wisp = noise.field(shape, scene.rng("streaks"), cells=(9, 2), octaves=4, gain=0.55)
    place = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    cover = (
        noise.smoothstep(0.5, 0.78, wisp) * np.sqrt(np.sin(place * np.float32(3.14159))) * np.float32(opacity)
    )
    cover = np.repeat(np.repeat(cover, 2, 0), 2, 1)[: rows.stop - rows.start, : canvas.columns]
    rows = slice(rows.start, rows.start + cover.shape[0])
    warm = (
        mix(colours.haze, colours.light, 0.5)
        if colours.day > 0.25
        else mix(colours.haze, colours.sky[-1][1], 0.4)
    )
    canvas.blend(warm, cover, rows)
