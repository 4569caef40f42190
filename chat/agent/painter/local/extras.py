"""Subjects that belong to the land rather than stand on it: a great tree, flowers along the front, a
bridge across the water.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chat.agent.painter.colour import mix, rgb

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas, Pen, Plane
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene

_WILD = ("#e8574a", "#f2c14e", "#f4efe6", "#a684cf")


def flowers(canvas: Canvas, scene: Scene, colours: Palette, ground: Plane) -> None:
    """Flowers on stems, more and larger towards us."""
    chance = scene.rng("flowers")
    named = [actor.colour for actor in scene.actors if actor.subject == "flowers" and actor.colour]
    hues = [rgb(code) for code in (named or _WILD)]
    count = 260
    x = chance.random(count) * canvas.width
    near = np.sort(chance.random(count) ** 1.3)
    edge = np.interp(x, canvas.x, ground)
    foot = edge + 0.012 + near * (canvas.height + 0.05 - edge)
    tall = 0.02 + 0.075 * near
    size = 0.0035 + 0.012 * near
    lean = chance.normal(0, 0.12, count) * tall
    stem = mix(colours.near, colours.ground, 0.1 + 0.3 * colours.day)
    everywhere = (0.0, float(ground.min()) - 0.1, canvas.width, canvas.height)
    for low in range(0, count, count // 4):
        part = range(low, min(low + count // 4, count))

        def stems(pen: Pen, part: range = part) -> None:
            for i in part:
                wide = 0.0008 + 0.0012 * near[i]
                top = (x[i] + lean[i], foot[i] - tall[i])
                pen.area([(x[i] - wide, foot[i]), top, (x[i] + wide, foot[i])])

        canvas.stamp(stem, canvas.stencil(everywhere, stems), 0.85)
        for index, hue in enumerate(hues):

            def heads(pen: Pen, part: range = part, index: int = index) -> None:
                for i in part:
                    if i % len(hues) == index:
                        cx, cy, r = x[i] + lean[i], foot[i] - tall[i], size[i]
                        for turn in np.linspace(0, 2 * np.pi, 5, endpoint=False) + i:
                            pen.disc(
                                cx + r * 0.55 * np.cos(turn), cy + r * 0.4 * np.sin(turn), r * 0.55, flat=0.82
                            )

            def hearts(pen: Pen, part: range = part, index: int = index) -> None:
                for i in part:
                    if i % len(hues) == index:
                        pen.disc(x[i] + lean[i], foot[i] - tall[i], size[i] * 0.22, flat=0.8)

            canvas.stamp(colours.lit(hue, 1.25), canvas.stencil(everywhere, heads))
            canvas.stamp(colours.lit(mix(hue, rgb("#4a2a1a"), 0.6)), canvas.stencil(everywhere, hearts), 0.8)


def tree(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, ground: Plane) -> None:
    """One great tree: a forked trunk, and a crown of leaf clusters in three tones, the bright ones towards
    the light.
    """
    chance = scene.rng("tree")
    alone = (
        next((actor.subject for actor in scene.actors if actor.subject not in ("sun", "moon", "star")), None)
        == "tree"
    )
    x = plan.focus + (0 if alone else plan.towards * 0.46 * canvas.width)
    foot, tall = float(np.interp(x, canvas.x, ground)) + 0.012, 0.42
    named = next((actor.colour for actor in scene.actors if actor.subject == "tree" and actor.colour), None)
    leaf = rgb(
        named
        or {"autumn": "#d9812f", "spring": "#eaa6bd", "winter": "#e4ecf5", "summer": "#5d9440"}.get(
            scene.season or "", "#4f8f4c"
        )
    )
    trunk = mix(colours.lit(rgb("#4c372c")), colours.near, 0.35)
    limbs = (
        (0.0, 0.62, 0.03),
        (-0.15, 0.66, 0.013),
        (0.16, 0.7, 0.013),
        (-0.07, 0.82, 0.011),
        (0.08, 0.86, 0.01),
    )

    def wood(pen: Pen) -> None:
        for across, up, wide in limbs:
            split = foot - tall * (0.0 if across == 0 else 0.3)
            tip = (x + across * tall * 1.4, foot - tall * up)
            pen.area(
                [
                    (x - wide * 0.62, split),
                    (tip[0] - wide * 0.16, tip[1]),
                    (tip[0] + wide * 0.16, tip[1]),
                    (x + wide * 0.62, split),
                ]
            )
        pen.area(
            [
                (x - 0.032, foot + 0.004),
                (x - 0.012, foot - 0.03),
                (x + 0.012, foot - 0.03),
                (x + 0.032, foot + 0.004),
            ]
        )

    box = (x - tall, foot - tall * 1.25, x + tall, foot + 0.01)
    canvas.stamp(trunk, canvas.stencil(box, wood))
    turn, reach = chance.random(150) * 2 * np.pi, np.sqrt(chance.random(150))
    at = (
        np.stack([np.cos(turn) * reach * 0.47, np.sin(turn) * reach * 0.3 - 0.06 * np.cos(turn * 3)], 1)
        * tall
    )
    size = tall * chance.uniform(0.045, 0.1, 150)
    middle = foot - tall * 0.78
    tones = ((0.0, mix(leaf, rgb("#2a1f38"), 0.38)), (0.012, leaf), (0.026, mix(leaf, colours.light, 0.38)))
    for layer, (shift, tone) in enumerate(tones):
        keep = at @ np.array([plan.towards * 0.55, -0.85]) > (-1, -0.1 * tall, 0.12 * tall)[layer]

        def crown(
            pen: Pen, keep: npt.NDArray[np.bool_] = keep, shift: float = shift, layer: int = layer
        ) -> None:
            for (across, down), radius in zip(at[keep].tolist(), size[keep].tolist(), strict=True):
                pen.disc(
                    x + across + plan.towards * shift,
                    middle + down - shift,
                    radius * (1.0, 0.72, 0.4)[layer],
                    flat=0.82,
                )

        canvas.stamp(mix(colours.lit(tone, 1.3), colours.haze, 0.05), canvas.stencil(box, crown))


def bridge(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> float:
    """A stone viaduct from edge to edge; the height of its deck."""
    foot = plan.horizon + (0.012 if scene.water else 0.2)
    deck = plan.horizon - 0.13
    named = next(
        (actor.colour for actor in scene.actors if actor.subject == "bridge" and actor.colour), "#8d8078"
    )
    stone = mix(colours.lit(rgb(named)), colours.haze, 0.3)
    span, pier = 0.165, 0.03

    def body(pen: Pen) -> None:
        pen.area([(-0.1, deck), (canvas.width + 0.1, deck), (canvas.width + 0.1, foot), (-0.1, foot)])
        left = -0.07
        while left < canvas.width + 0.1:
            right = left + span - pier
            middle, radius = (left + right) / 2, (right - left) / 2
            turn = np.linspace(np.pi, 0, 24)
            arch = [(middle + radius * np.cos(a), deck + 0.03 + radius * (1 - np.sin(a))) for a in turn]
            pen.area([(left, foot + 0.01), *arch, (right, foot + 0.01)], 0)
            left += span

    def parapet(pen: Pen) -> None:
        pen.area(
            [
                (-0.1, deck - 0.008),
                (canvas.width + 0.1, deck - 0.008),
                (canvas.width + 0.1, deck + 0.007),
                (-0.1, deck + 0.007),
            ]
        )

    shape = canvas.stencil((0, deck - 0.01, canvas.width, foot + 0.003), body)
    canvas.stamp(stone, shape)
    shade = np.clip((canvas.y[shape.rows] - np.float32(deck)) / np.float32(foot - deck), 0, 1)[:, None]
    canvas.blend(
        mix(colours.far, colours.haze, 0.4), shape.cover * shade * np.float32(0.6), shape.rows, shape.columns
    )
    canvas.stamp(
        mix(stone, colours.light, 0.22), canvas.stencil((0, deck - 0.012, canvas.width, deck + 0.01), parapet)
    )
    return deck
