"""What subjects bring with them: shadows, the lighthouse's beam, smoke, a rocket's trail, a flock far off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import mix, rgb
from chat.agent.painter.local import noise
from chat.agent.painter.local.canvas import Canvas, Pen, Stencil

if TYPE_CHECKING:
    from chat.agent.painter.colour import Floats
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene


def shadow(canvas: Canvas, plan: Plan, colours: Palette, x: float, foot: float, size: float) -> None:
    box = (x - size, foot - 0.03, x + size, foot + 0.05)
    dark = canvas.stencil(
        box, lambda pen: pen.disc(x - plan.towards * size * 0.1, foot + 0.003, size * 0.5, flat=0.1)
    )
    canvas.stamp(mix(colours.near, rgb("#000000"), 0.25), dark.blurred(canvas.scale * 0.01), 0.55)


def beam(canvas: Canvas, plan: Plan, colours: Palette, x: float, foot: float, size: float) -> None:
    if colours.day > 0.6:
        return
    lamp = foot - size * 0.85
    for side, strength in ((plan.towards, 0.5), (-plan.towards, 0.3)):
        end = x + side * 1.1
        ray = [(x, lamp - 0.004), (end, lamp - 0.13), (end, lamp + 0.02), (x, lamp + 0.004)]
        box = (min(x, end), lamp - 0.14, max(x, end), lamp + 0.03)
        light = canvas.stencil(box, lambda pen, ray=ray: pen.area(ray)).blurred(canvas.scale * 0.006)  # type: ignore[misc]
        fall = np.clip(1 - np.abs(canvas.x[light.columns] - np.float32(x)) / np.float32(1.1), 0, 1) ** 1.6
        canvas.add(
            rgb("#ffe9b0"), light.cover * fall[None, :] * np.float32(strength), light.rows, light.columns
        )
    box = (x - 0.2, lamp - 0.2, x + 0.2, lamp + 0.2)
    halo = canvas.stencil(box, lambda pen: pen.disc(x, lamp, 0.045)).blurred(canvas.scale * 0.035)
    canvas.add(rgb("#ffe0a0"), halo.cover * np.float32(0.8), halo.rows, halo.columns)


def smoke(canvas: Canvas, scene: Scene, colours: Palette, x: float, foot: float, size: float) -> None:
    rise = np.linspace(0, 1, 24)
    sway = noise.curve(rise.astype(np.float32), scene.rng("smoke"), frequency=2.4, octaves=2) * 0.03
    left, top = x - 0.175 * size, foot - 0.92 * size

    def puffs(pen: Pen) -> None:
        for up, aside in zip(rise.tolist(), sway.tolist(), strict=True):
            pen.disc(left + aside * up * 2, top - up * 0.24, 0.004 + 0.016 * up, int(210 * (1 - up)))

    smoke = canvas.stencil((left - 0.12, top - 0.3, left + 0.12, top + 0.01), puffs).blurred(
        canvas.scale * 0.005
    )
    canvas.stamp(mix(colours.haze, colours.light, 0.3), smoke, 0.5)


def trail(canvas: Canvas, x: float, foot: float, colours: Palette) -> None:
    long = max(canvas.height * 0.9 - foot, 0.1)
    flame = [(x - 0.008, foot), (x - 0.035, foot + long), (x + 0.035, foot + long), (x + 0.008, foot)]
    light = canvas.stencil((x - 0.1, foot - 0.04, x + 0.1, foot + long), lambda pen: pen.area(flame)).blurred(
        canvas.scale * 0.008
    )
    fall = np.clip(1 - (canvas.y[light.rows] - np.float32(foot)) / np.float32(long), 0, 1)[:, None]
    canvas.stamp(
        mix(colours.haze, rgb("#fff2dc"), 0.6), Stencil(light.rows, light.columns, light.cover * fall), 0.75
    )
    halo = canvas.stencil(
        (x - 0.2, foot - 0.2, x + 0.2, foot + 0.2), lambda pen: pen.disc(x, foot, 0.05)
    ).blurred(canvas.scale * 0.05)
    canvas.add(rgb("#ffc46b"), halo.cover, halo.rows, halo.columns)


def flock(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """A loose line of birds far off, each two curved wings."""
    chance = scene.rng("flock")
    named = next((actor.colour for actor in scene.actors if actor.subject == "birds" and actor.colour), None)
    tone = mix(rgb(named), colours.haze, 0.1) if named else _against_sky(colours)

    def draw(pen: Pen) -> None:
        for i in range(11):
            x = plan.focus + plan.towards * (0.05 + 0.045 * i) + float(chance.normal(0, 0.012))
            y = plan.horizon * (0.34 + 0.022 * abs(i - 4)) + float(chance.normal(0, 0.012))
            wide, flap = float(chance.uniform(0.018, 0.032)), float(chance.uniform(0.25, 0.75))
            for side in (-1, 1):
                bend = x + side * wide * 0.45
                tip = (x + side * wide, y - wide * flap * 0.55)
                pen.area(
                    [
                        (x, y),
                        (bend, y - wide * flap),
                        tip,
                        (bend, y - wide * flap * 0.72),
                        (x, y + wide * 0.16),
                    ]
                )

    canvas.stamp(tone, canvas.stencil((0, 0, canvas.width, plan.horizon), draw), 0.9)


def _against_sky(colours: Palette) -> Floats:
    return (
        mix(colours.haze, colours.light, 0.45) if colours.dark else mix(colours.near, colours.sky[-1][1], 0.2)
    )
