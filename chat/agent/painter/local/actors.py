"""Puts the prompt's subjects into the picture, in its light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import effects
from chat.agent.painter.local.animals import ANIMALS
from chat.agent.painter.local.canvas import Canvas, Pen, Plane, Points, Stencil
from chat.agent.painter.local.things import THINGS
from chat.agent.painter.local.words import SINGLE

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
                effects.trail(canvas, place, y, colours)
            _put(canvas, scene, plan, colours, actor, place, y, size, fade=0.06 + 0.12 * nth)
    if scene.has("birds"):
        effects.flock(canvas, scene, plan, colours)


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
        for member in range(3 if actor.many and actor.subject not in SINGLE else 1):
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
            effects.shadow(canvas, plan, colours, at, foot, tall)
        if actor.subject == "lighthouse":
            effects.beam(canvas, plan, colours, at, foot, tall)
        _put(canvas, scene, plan, colours, actor, at, foot, tall)
        if actor.subject == "house":
            effects.smoke(canvas, scene, colours, at, foot, tall)


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
