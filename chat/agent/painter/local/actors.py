"""Puts the prompt's subjects into the picture, in its light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import noise
from chat.agent.painter.local.animals import ANIMALS
from chat.agent.painter.local.canvas import Canvas, Pen, Plane, Points, Stencil
from chat.agent.painter.local.things import THINGS

if TYPE_CHECKING:
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Actor, Scene
    from chat.agent.painter.local.shapes import Shape

SHAPES: dict[str, Shape] = {**ANIMALS, **THINGS}
AFLOAT = frozenset({"boat", "whale", "fish"})
FLYING = frozenset({"bird", "balloon", "rocket"})
ELSEWHERE = FLYING | {"train"}
BUILT = frozenset({"castle", "house", "lighthouse"})
SPREAD = (0.0, 0.44, 0.24, 0.66)
"""How far from the focus the first, second, … subject on the ground stands, as a share of the width."""


def aloft(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """What flies: before the foreground, so that nothing nearer is covered."""
    flying = [actor for actor in scene.actors if actor.subject in FLYING]
    for index, actor in enumerate(flying):
        x = plan.focus + plan.towards * 0.2 * index
        for nth in range(3 if actor.many else 1):
            shape = SHAPES[actor.subject]
            size = shape.height * (1 - 0.3 * nth)
            place = x + plan.towards * (0.0, 0.3, 0.13)[nth]
            y = plan.horizon * ((0.62, 0.4, 0.82)[nth] if actor.subject != "rocket" else 0.72) + size * 0.3
            if actor.subject == "rocket":
                _trail(canvas, place, y, colours)
            _put(canvas, scene, plan, colours, actor, place, y, size, fade=0.06 + 0.12 * nth)
    if scene.has("birds"):
        _flock(canvas, scene, plan, colours)


def standing(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, ground: Plane) -> None:
    """What stands on the ground or floats, the far first."""
    placed: list[tuple[Actor, float, float, float]] = []
    nth = 0
    for actor in scene.actors:
        if actor.subject not in SHAPES or actor.subject in ELSEWHERE:
            continue
        shape = SHAPES[actor.subject]
        size = shape.height * min(1.0, canvas.width / 1.1) * (1.0 if nth == 0 else 0.82)
        x = plan.focus + plan.towards * canvas.width * SPREAD[nth]
        for member in range(3 if actor.many else 1):
            at = x + plan.towards * (0.0, 0.16, -0.12)[member]
            tall = size * (1.0, 0.78, 0.62)[member]
            if actor.subject in AFLOAT:
                foot = plan.horizon + (canvas.height - plan.horizon) * (0.3 if nth or member else 0.4)
            elif actor.subject == "owl":
                foot = float(np.interp(at, canvas.x, ground)) - 0.2
            else:
                foot = float(np.interp(at, canvas.x, ground)) + 0.012
            placed.append((actor, at, foot, tall))
        nth += 1
    for actor, at, foot, tall in sorted(placed, key=lambda one: one[0].subject not in AFLOAT | BUILT):
        if actor.subject in AFLOAT:
            _wake(canvas, scene, plan, colours, actor, at, foot, tall)
        elif actor.subject != "owl":
            _shadow(canvas, plan, colours, at, foot, tall)
        if actor.subject == "lighthouse":
            _beam(canvas, plan, colours, at, foot, tall)
        _put(canvas, scene, plan, colours, actor, at, foot, tall)
        if actor.subject == "house":
            _smoke(canvas, scene, colours, at, foot, tall)


def train(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, deck: float) -> None:
    """A train on a bridge's deck, with its steam."""
    actor = next(actor for actor in scene.actors if actor.subject == "train")
    size = SHAPES["train"].height
    x = canvas.width * (0.5 + 0.1 * plan.towards)
    left, top = x + plan.towards * 0.38 * size, deck - 0.29 * size

    def steam(pen: Pen) -> None:
        for i in range(22):
            share = i / 22
            pen.disc(
                left - plan.towards * share * 0.42,
                top - 0.01 - share**0.7 * 0.075,
                0.006 + 0.022 * share,
                int(220 * (1 - share)),
            )

    cloud = canvas.stencil((left - 0.6, top - 0.2, left + 0.6, top + 0.03), steam).blurred(
        canvas.scale * 0.005
    )
    canvas.stamp(mix(colours.haze, rgb("#fff8ee"), 0.45), cloud, 0.7)
    _put(canvas, scene, plan, colours, actor, x, deck - 0.006, size, fade=0.12)


def _put(
    canvas: Canvas,
    scene: Scene,
    plan: Plan,
    colours: Palette,
    actor: Actor,
    x: float,
    foot: float,
    size: float,
    fade: float = 0.0,
) -> None:
    shape = SHAPES[actor.subject]
    own = rgb(actor.colour or shape.colour)
    facing = plan.towards if actor.subject not in BUILT else 1

    def placed(outline: Points) -> Points:
        return np.stack(
            [x + (outline[:, 0] - 50) / 100 * size * facing, foot + (outline[:, 1] - 100) / 100 * size], 1
        )

    outlines = [(part, placed(part.outline())) for part in shape.parts]
    everything = np.vstack([outline for _, outline in outlines])
    margin = 0.012
    low, high = everything.min(0) - margin, everything.max(0) + margin
    if actor.subject in AFLOAT:
        high[1] = foot + 0.0008
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def figure(pen: Pen) -> None:
        for part, outline in outlines:
            if part.paint != "glow":
                pen.area(outline)

    whole = canvas.stencil(box, figure)
    for part, outline in outlines:
        tone = mix(_tone(part.paint, own, colours), colours.haze, fade)
        canvas.stamp(tone, canvas.stencil(box, lambda pen, outline=outline: pen.area(outline)))  # type: ignore[misc]
    if actor.subject not in ELSEWHERE | AFLOAT:
        deep = np.clip(
            (canvas.y[whole.rows] - np.float32(foot - size * 0.45)) / np.float32(size * 0.45), 0, 1
        )[:, None]
        canvas.blend(colours.near, whole.cover * deep * np.float32(0.4), whole.rows, whole.columns)
    _rim(canvas, plan, colours, whole, size)


def _tone(paint: str, own: Floats, colours: Palette) -> Floats:
    match paint:
        case "body":
            return colours.lit(own, 1.45)
        case "light":
            return colours.lit(mix(own, rgb("#fff4e4"), 0.36), 1.35)
        case "pale":
            return colours.lit(mix(own, rgb("#fff8ee"), 0.84), 1.3)
        case "dark":
            return colours.lit(mix(own, rgb("#1b1420"), 0.5), 1.2)
        case "wood":
            return colours.lit(rgb("#5b4030"))
        case "glow":
            return rgb("#ffd98c") if colours.day < 0.6 else mix(rgb("#ffd98c"), rgb("#54606e"), 0.55)
        case _:
            return mix(rgb("#151018"), colours.near, 0.35)


def _rim(canvas: Canvas, plan: Plan, colours: Palette, whole: Stencil, size: float) -> None:
    """A thin edge of light where the figure faces the sun or moon."""
    wide = max(round(size * canvas.scale * 0.011), 1)
    away = whole.shifted(-plan.towards * wide, wide)
    edge = np.clip(whole.cover - away.blurred(wide * 0.5).cover, 0, 1) * whole.cover
    light = mix(colours.light, colours.haze, 0.35)
    canvas.blend(light, edge * np.float32(0.3 + 0.35 * colours.glow), whole.rows, whole.columns)


def _shadow(canvas: Canvas, plan: Plan, colours: Palette, x: float, foot: float, size: float) -> None:
    box = (x - size, foot - 0.03, x + size, foot + 0.05)
    dark = canvas.stencil(
        box, lambda pen: pen.disc(x - plan.towards * size * 0.1, foot + 0.003, size * 0.5, flat=0.1)
    )
    canvas.stamp(mix(colours.near, rgb("#000000"), 0.25), dark.blurred(canvas.scale * 0.01), 0.55)


def _wake(
    canvas: Canvas,
    scene: Scene,
    plan: Plan,
    colours: Palette,
    actor: Actor,
    x: float,
    foot: float,
    size: float,
) -> None:
    """Its dark double in the water, and the bright ripples around it."""
    chance = scene.rng(f"wake {x:.3f}")
    own = mix(_tone("body", rgb(actor.colour or SHAPES[actor.subject].colour), colours), colours.near, 0.45)

    def ripples(pen: Pen) -> None:
        for i in range(26):
            down = 0.16 * size + size * 0.02 * i
            wide = size * (0.42 - 0.011 * i) * float(chance.uniform(0.55, 1.05))
            middle = x + float(chance.normal(0, 0.012)) + size * 0.02 * float(chance.normal())
            y = foot + (down - 0.16 * size)
            pen.area([(middle - wide, y), (middle, y - 0.0016), (middle + wide, y), (middle, y + 0.0026)])

    canvas.stamp(own, canvas.stencil((x - size, foot - 0.004, x + size, foot + size * 0.7), ripples), 0.5)

    def foam(pen: Pen) -> None:
        for i in range(7):
            wide = size * float(chance.uniform(0.1, 0.32))
            middle, y = (
                x + size * float(chance.uniform(-0.6, 0.6)),
                foot + 0.002 + 0.008 * i * size / 0.2 * 0.5,
            )
            pen.area([(middle - wide, y), (middle, y - 0.001), (middle + wide, y), (middle, y + 0.0015)])

    canvas.stamp(
        mix(colours.light, colours.haze, 0.5),
        canvas.stencil((x - size, foot - 0.004, x + size, foot + 0.08), foam),
        0.6,
    )


def _beam(canvas: Canvas, plan: Plan, colours: Palette, x: float, foot: float, size: float) -> None:
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


def _smoke(canvas: Canvas, scene: Scene, colours: Palette, x: float, foot: float, size: float) -> None:
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


def _trail(canvas: Canvas, x: float, foot: float, colours: Palette) -> None:
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


def _flock(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """A loose line of birds far off, each two curved wings."""
    chance = scene.rng("flock")
    named = next((actor.colour for actor in scene.actors if actor.subject == "birds" and actor.colour), None)
    tone = mix(rgb(named), colours.haze, 0.1) if named else mix(colours.near, colours.sky[-1][1], 0.2)

    def draw(pen: Pen) -> None:
        for i in range(11):
            x = plan.focus + plan.towards * (0.05 + 0.045 * i) + float(chance.normal(0, 0.012))
            y = plan.horizon * (0.34 + 0.022 * abs(i - 4)) + float(chance.normal(0, 0.012))
            wide, flap = float(chance.uniform(0.014, 0.026)), float(chance.uniform(0.25, 0.75))
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
