"""The land: ridges that fade with distance, and what grows and stands on them. Returns the line that the
foreground makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import cover as growth
from chat.agent.painter.local import mountains, noise
from chat.agent.painter.local.canvas import Canvas, Plane, ramp

if TYPE_CHECKING:
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene


def backdrop(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """All land behind the foreground, and behind the water where there is water."""
    match scene.place:
        case "mountains":
            mountains.paint(canvas, scene, plan, colours, rise=0.4)
            _ridges(canvas, scene, plan, colours, count=2, base=0.03, step=0.075, rise=0.06, trees=True)
        case "waterfall":
            mountains.paint(canvas, scene, plan, colours, rise=0.3)
            _ridges(
                canvas,
                scene,
                plan,
                colours,
                count=1,
                base=-0.02,
                step=0.022,
                rise=0.05,
                trees=True,
                low=0.004,
            )
            mountains.waterfall(canvas, scene, plan, colours)
        case "lake" | "river":
            mountains.paint(canvas, scene, plan, colours, rise=0.35)
            _ridges(
                canvas,
                scene,
                plan,
                colours,
                count=2,
                base=-0.012,
                step=0.022,
                rise=0.05,
                trees=True,
                low=0.004,
            )
        case "harbour":
            _ridges(canvas, scene, plan, colours, count=2, base=-0.05, step=0.025, rise=0.06, low=0.004)
            growth.village(canvas, scene, plan, colours, plan.horizon - 0.006, flat=True)
        case "sea" | "beach":
            _ridges(canvas, scene, plan, colours, count=2, base=-0.012, step=0.008, rise=0.05, side=True)
        case "island":
            _island(canvas, scene, plan, colours)
        case "forest":
            _ridges(
                canvas, scene, plan, colours, count=4, base=-0.12, step=0.075, rise=0.06, trees=True, bare=1
            )
        case "desert":
            _dunes(canvas, scene, plan, colours)
        case "city":
            growth.skyline(canvas, scene, plan, colours)
        case "space":
            pass
        case _:
            _ridges(canvas, scene, plan, colours, count=4, base=-0.06, step=0.065, rise=0.075)
            if scene.place == "village":
                growth.village(canvas, scene, plan, colours, plan.horizon + 0.16)


def foreground(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> Plane:
    """The nearest ground; the line of its edge, y in units per column."""
    chance = scene.rng("foreground")
    bottom = canvas.height
    x = canvas.x
    lift = {"city": 0.08, "sea": 0.1, "harbour": 0.1, "island": 0.1, "space": 0.1}.get(scene.place, 0.19)
    if scene.water:
        lift = min(lift, 0.15)
    wave = noise.curve(x, chance, frequency=0.8, octaves=3, gain=0.35) * np.float32(0.035)
    line = np.float32(bottom - lift) + wave
    near = ((x - plan.focus) / np.float32(0.32)).astype(np.float32)
    mound = np.exp(-(near**2))
    here = float(np.interp(plan.focus, x, line))
    line = line * (1 - mound) + np.float32(min(here, bottom - lift) - 0.02) * mound
    if scene.water:
        line = line + np.float32(0.16) * noise.smoothstep(
            0.25, 1.0, np.abs(x - plan.focus) / np.float32(canvas.width * 0.75)
        )
    if scene.place == "beach":
        line = (
            np.float32(bottom - 0.2)
            + (x - plan.focus) * np.float32(0.05 * plan.towards)
            + wave * np.float32(0.35)
        )
    top = _foreground_colour(scene, colours)
    foot = mix(top, colours.near, 0.75)
    canvas.fill_below(line, ramp([(float(line.min()), top), (bottom, foot)]))
    if scene.place not in ("city", "harbour", "desert", "beach", "space") and not scene.snowy:
        growth.grass(
            canvas,
            scene,
            line,
            mix(top, colours.near, 0.12),
            mix(top, colours.light, 0.12 + 0.2 * colours.day),
        )
    if scene.place in ("forest", "waterfall"):
        growth.frame(canvas, scene, plan, colours, line)
    return line


def _foreground_colour(scene: Scene, colours: Palette) -> Floats:
    if scene.place == "beach" and not scene.snowy:
        return mix(_own(scene, colours, 0.42 + 0.55 * colours.day), colours.haze, 0.16)
    return mix(_own(scene, colours), colours.haze, 0.04)


def depth_colour(scene: Scene, colours: Palette, share: float) -> Floats:
    """The land's colour from the most distant (0) to the nearest (1)."""
    return mix(colours.far, _own(scene, colours), share)


def _own(scene: Scene, colours: Palette, keep: float | None = None) -> Floats:
    """The near land's colour in this light: its own by day, hardly any of it against the light; snow takes
    the sky's.
    """
    if scene.snowy:
        return mix(
            colours.near,
            mix(colours.ground, colours.sky[2][1], 0.5 - 0.4 * colours.day),
            0.4 + 0.55 * colours.day,
        )
    if keep is None:
        keep = 0.04 + 0.86 * colours.day**1.7 + (0.3 * (1 - colours.day) if scene.place == "desert" else 0)
    return mix(colours.near, colours.ground, keep)


def _ridges(
    canvas: Canvas,
    scene: Scene,
    plan: Plan,
    colours: Palette,
    *,
    count: int,
    base: float,
    step: float,
    rise: float,
    frequency: float = 1.1,
    trees: bool = False,
    bare: int = 0,
    side: bool = False,
    low: float = 0.0,
) -> None:
    for index in range(count):
        chance = scene.rng(f"ridge {index}")
        share = (index + 0.35) / (count + 0.6)
        line = (
            plan.horizon
            + base
            + step * index
            - rise
            * (
                0.35
                + noise.curve(canvas.x, chance, frequency=frequency * (1 + 0.25 * index), octaves=5, gain=0.4)
            )
        )
        if side:  # a headland that leaves the horizon free towards the light
            away = (canvas.x / canvas.width - 0.5) * -plan.towards
            line = line + np.float32(0.13) * (
                1 - noise.smoothstep(-0.25 + 0.3 * index, 0.45 + 0.1 * index, away)
            )
        top = depth_colour(scene, colours, share)
        wooded = trees and index >= bare
        if wooded:
            if scene.snowy:
                top = mix(
                    mix(colours.far, mix(colours.near, rgb("#3f5f66"), 0.2 + 0.5 * colours.day), share + 0.1),
                    top,
                    0.2,
                )
            elif scene.season in ("autumn", "spring"):
                top = mix(top, colours.lit(colours.ground, 1.3), 0.3 + 0.45 * share)
            line = growth.treeline(line, canvas, scene, index, 0.022 + 0.022 * index)
        line = (
            np.minimum(line, np.float32(plan.horizon + base + step * index + 0.06))
            if low == 0
            else np.minimum(line, np.float32(plan.horizon - low))
        )
        foot = mix(top, colours.haze, 0.5 if not scene.weather & {"fog"} else 0.85)
        start = float(np.percentile(line, 10))
        canvas.fill_below(line.astype(np.float32), ramp([(start, top), (start + 0.06 + step * 1.6, foot)]))


def _island(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    _ridges(canvas, scene, plan, colours, count=1, base=0.0, step=0.0, rise=0.02, side=True)
    middle = plan.focus + plan.towards * 0.3
    away = (canvas.x - middle) / np.float32(0.3)
    bulk = np.exp(-(away**2)) * 0.14 + np.exp(-(((canvas.x - middle - 0.1) / 0.13) ** 2)) * 0.09
    line = (
        plan.horizon
        + 0.012
        - bulk * (1 + 0.16 * noise.curve(canvas.x, scene.rng("island"), frequency=5, octaves=4))
    )
    top = depth_colour(scene, colours, 0.55)
    line = growth.treeline(line.astype(np.float32), canvas, scene, 1, 0.016)
    canvas.fill_below(line, ramp([(plan.horizon - 0.2, top), (plan.horizon, mix(top, colours.haze, 0.35))]))


def _dunes(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """Long crests; below each, on the side away from the light, a shade that swells and thins along the
    crest.
    """
    for index in range(4):
        chance = scene.rng(f"dune {index}")
        share = (index + 0.3) / 4.4
        base = plan.horizon + 0.03 + 0.08 * index
        sweep = noise.curve(canvas.x, chance, frequency=1.0 + 0.12 * index, octaves=2, gain=0.25)
        line = (np.float32(base) - np.float32(0.055 + 0.012 * index) * (np.float32(0.7) + sweep)).astype(
            np.float32
        )
        top = depth_colour(scene, colours, share)
        bright = mix(top, mix(colours.light, colours.haze, 0.5), 0.2)
        shade = mix(top, mix(colours.near, colours.sky[0][1], 0.3), 0.45)
        canvas.fill_below(
            line, ramp([(base - 0.06, bright), (base + 0.16, mix(top, colours.near, 0.14 * index / 3))])
        )
        deep = noise.curve(
            canvas.x + np.float32(0.04 * plan.towards), chance, frequency=1.1, octaves=1
        ) * np.float32(0.09)
        deep = np.maximum(deep + np.float32(0.05), np.float32(1e-3)).astype(np.float32)
        rows = canvas.rows_between(float(line.min()), base + 0.34)
        cover = canvas.below(line, rows) * (1 - canvas.below((line + deep).astype(np.float32), rows))
        fade = np.clip((canvas.y[rows, None] - line[None, :]) / deep[None, :], 0, 1)
        canvas.blend(shade, cover * (np.float32(0.75) - np.float32(0.4) * fade), rows)
