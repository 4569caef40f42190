"""Mountains: peaks one before the other, each with a face in the light, a face in the shade, gullies and
snow; waterfalls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import cover as growth
from chat.agent.painter.local import noise

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas, Pen
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene


def paint(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, *, rise: float) -> None:
    chance = scene.rng("peaks")
    foot = plan.horizon + 0.045
    count = 11
    places = (np.arange(count) + chance.uniform(-0.3, 0.3, count)) / (count - 1) * (canvas.width + 0.3) - 0.15
    heights = rise * chance.uniform(0.46, 0.8, count)
    chief = int(np.argmin(np.abs(places - (plan.focus + plan.towards * 0.42 * min(canvas.width / 1.5, 1)))))
    heights[chief] = rise * float(chance.uniform(1.0, 1.1))
    snowline = foot - rise * (0.3 if scene.snowy else 0.62)
    for nth, index in enumerate(np.argsort(-heights)):
        share = 0.06 + 0.3 * nth / count
        rock = mix(colours.far, mix(colours.near, rgb("#5d6880"), 0.25 + 0.6 * colours.day), share)
        _peak(
            canvas,
            scene,
            plan,
            colours,
            float(places[index]),
            float(heights[index]),
            foot,
            rock,
            snowline,
            int(index),
        )
    rows = canvas.rows_between(foot, canvas.height)
    canvas.pixels[:, rows] = colours.haze[:, None, None]


def _peak(
    canvas: Canvas,
    scene: Scene,
    plan: Plan,
    colours: Palette,
    middle: float,
    height: float,
    foot: float,
    rock: Floats,
    snowline: float,
    index: int,
) -> None:
    chance = scene.rng(f"peak {index}")
    left, right = (height * float(wide) for wide in chance.uniform(1.15, 1.75, 2))
    columns = slice(*np.searchsorted(canvas.x, (middle - left * 1.1, middle + right * 1.1)))
    x = canvas.x[columns]
    if not x.size:
        return
    aside = x - np.float32(middle)
    tent = 1 - np.abs(aside) / np.where(aside < 0, np.float32(left), np.float32(right))
    shape = np.sign(tent) * np.abs(tent) ** np.float32(1.12)
    crag = noise.curve(x, chance, frequency=5, octaves=6, gain=0.52, sharp=0.9) * np.clip(
        1.15 - shape, 0.3, 1
    )
    line = (np.float32(foot) - np.float32(height) * (shape + np.float32(0.12) * crag)).astype(np.float32)
    top = float(line.min())
    rows = canvas.rows_between(top, foot)
    y = canvas.y[rows]
    depth = np.maximum(y - np.float32(top), 0)
    # The arris between the two faces wanders down from the summit; what lies on the light's side is lit.
    wander = noise.curve(depth, chance, frequency=11, octaves=3, gain=0.5, sharp=0.9) * np.float32(0.16)
    arris = np.float32(middle) + (wander + np.float32(0.1 * plan.towards * -1)) * depth
    aside_of = (x[None, :] - arris[:, None]) * np.float32(plan.towards)
    lit = np.clip(aside_of * np.float32(canvas.scale / 1.5) + np.float32(0.5), 0, 1)
    gully = noise.curve(
        np.linspace(0, 1.2, 1024, dtype=np.float32), chance, frequency=19, octaves=3, gain=0.5, sharp=0.8
    )
    run = np.abs(aside_of) + np.float32(0.42) * depth[:, None]
    tone = (
        lit * np.float32(0.74)
        + np.float32(0.13)
        + np.float32(0.2) * gully[np.clip(run * np.float32(853), 0, 1023).astype(np.int32)]
    )
    np.clip(tone, 0, 1, out=tone)
    shade, bright = mix(rock, colours.near, 0.16), mix(rock, mix(colours.light, colours.haze, 0.45), 0.4)
    white = mix(mix(colours.far, rgb("#f4f7fb"), 0.4 + 0.55 * colours.day), colours.light, 0.25)
    grey = mix(white, mix(colours.far, colours.sky[1][1], 0.5), 0.55)
    teeth = noise.curve(x, chance, frequency=16, octaves=3, gain=0.55, sharp=0.9) * np.float32(0.03)
    snow = np.clip(
        (np.float32(snowline) + teeth[None, :] - y[:, None] + np.float32(0.035) * (np.float32(0.5) - lit))
        * np.float32(canvas.scale / 2),
        0,
        1,
    )
    mist = (np.clip((y - np.float32(top)) / np.float32(foot - top), 0, 1) ** np.float32(1.7))[:, None]
    steep = (
        np.sqrt(1 + (np.gradient(line) * canvas.scale) ** 2).astype(np.float32)
        if x.size > 1
        else np.ones(1, np.float32)
    )
    cover = np.clip(
        (y[:, None] - line[None, :]) * (np.float32(canvas.scale) / steep)[None, :] + np.float32(0.5), 0, 1
    )
    for i, plane in enumerate(canvas.pixels):
        stone = np.float32(shade[i]) + np.float32(bright[i] - shade[i]) * tone
        stone += (np.float32(grey[i]) + np.float32(white[i] - grey[i]) * tone - stone) * snow
        stone += (np.float32(colours.haze[i]) - stone) * mist * np.float32(0.82)
        part = plane[rows, columns]
        part += (stone - part) * cover


def waterfall(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """A rock wall on the light's side, and the water that falls over it into the pool."""
    chance = scene.rng("waterfall")
    middle = plan.focus + plan.towards * 0.5 * min(canvas.width / 1.5, 1)
    foot, tall = plan.horizon + 0.012, 0.33
    swell = np.exp(-(((canvas.x - np.float32(middle)) / np.float32(0.6)) ** 4))
    crag = noise.curve(canvas.x, chance, frequency=4, octaves=5, gain=0.5, sharp=0.8) * np.float32(0.06)
    line = (np.float32(foot + 0.01) - (np.float32(tall) + crag) * swell).astype(np.float32)
    notch = np.exp(-(((canvas.x - np.float32(middle)) / np.float32(0.055)) ** 2)) * np.float32(0.05)
    line = growth.treeline(line + notch * swell, canvas, scene, 7, 0.028)
    np.copyto(line, np.interp(middle, canvas.x, line), where=np.abs(canvas.x - np.float32(middle)) < 0.036)
    rock = mix(
        mix(colours.near, mix(colours.ground, rgb("#6a7280"), 0.55), 0.2 + 0.55 * colours.day),
        colours.haze,
        0.22,
    )
    rows = canvas.rows_between(float(line.min()), foot + 0.012)
    grain = noise.curve(canvas.x, chance, frequency=26, octaves=3, sharp=0.8) * np.float32(0.5) + np.float32(
        0.5
    )
    cover = canvas.below(line, rows)
    for i, plane in enumerate(canvas.pixels):
        dark, bright = mix(rock, colours.near, 0.3)[i], mix(rock, colours.light, 0.14)[i]
        stone = np.float32(dark) + np.float32(bright - dark) * grain
        part = plane[rows]
        part += (stone[None, :] - part) * cover
    top = float(np.interp(middle, canvas.x, line)) - 0.003
    fall = [
        (middle - 0.032, top),
        (middle + 0.032, top),
        (middle + 0.05, foot + 0.01),
        (middle - 0.05, foot + 0.01),
    ]
    water = canvas.stencil((middle - 0.1, top, middle + 0.1, foot + 0.012), lambda pen: pen.area(fall))
    x = canvas.x[water.columns]
    strands = noise.curve(x, chance, frequency=70, octaves=3) * np.float32(0.4) + np.float32(0.75)
    white = mix(mix(colours.haze, rgb("#ffffff"), 0.35 + 0.5 * colours.day), colours.light, 0.25)
    soft = water.blurred(canvas.scale * 0.003)
    canvas.blend(white, soft.cover * np.clip(strands, 0.25, 1)[None, :], water.rows, water.columns)

    def spray(pen: Pen) -> None:
        for across, down, radius in chance.normal(0, 1, (26, 3)).tolist():
            pen.disc(
                middle + across * 0.04, foot - 0.004 + abs(down) * -0.016, 0.014 + 0.006 * abs(radius), 150
            )

    cloud = canvas.stencil((middle - 0.25, foot - 0.14, middle + 0.25, foot + 0.012), spray).blurred(
        canvas.scale * 0.014
    )
    canvas.stamp(white, cloud, 0.7)
