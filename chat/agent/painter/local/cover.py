"""What covers the land: trees, grass, roofs, towers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, mix, rgb
from chat.agent.painter.local import noise

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas, Pen, Plane, Points
    from chat.agent.painter.local.palette import Palette
    from chat.agent.painter.local.plan import Plan
    from chat.agent.painter.local.scene import Scene

Polygon = list[tuple[float, float]]


def crowns(line: Plane, canvas: Canvas, scene: Scene, index: int, height: float) -> Plane:
    """A ridge's line raised by the round crowns of a leafy wood."""
    chance = scene.rng(f"crowns {index}")
    tops = noise.billow(canvas.x, chance, frequency=0.45 / height, octaves=3)
    return (line - np.float32(height) * tops).astype(np.float32)


def treeline(line: Plane, canvas: Canvas, scene: Scene, index: int, height: float) -> Plane:
    """A ridge's line raised by the tips of the firs on it."""
    if scene.season in ("autumn", "spring", "summer"):
        return crowns(line, canvas, scene, index, height * 0.9)
    chance = scene.rng(f"treeline {index}")
    spread = height * 0.42
    count = int(canvas.width / spread * 1.5)
    at = np.sort(chance.random(600)[:count] * (canvas.width + 0.2) - 0.1)
    tall = height * chance.uniform(0.45, 1.15, 600)[:count]
    raised = line.copy()
    for x, tip in zip(at.tolist(), tall.tolist(), strict=True):
        half = tip * 0.27
        first, last = np.searchsorted(canvas.x, (x - half, x + half))
        if first == last:
            continue
        near = 1 - np.abs(canvas.x[first:last] - np.float32(x)) / np.float32(half)
        steps = near + np.float32(0.09) * np.sin(near * np.float32(5 * np.pi))
        base = float(np.interp(x, canvas.x, line)) + tip * 0.1
        raised[first:last] = np.minimum(raised[first:last], np.float32(base) - np.float32(tip) * steps)
    return raised


def fir(x: float, foot: float, tall: float, chance: np.random.Generator) -> Polygon:
    """One fir from near: tiers of drooping branches, a little uneven."""
    tiers = 9
    right: Polygon = []
    left: Polygon = []
    for tier in range(tiers):
        low = foot - tall * (0.035 + 0.9 * (1 - (tier + 1) / tiers))
        half = tall * 0.25 * ((tier + 1) / tiers) ** 0.85
        for side, edge in ((1, right), (-1, left)):
            reach = half * float(chance.uniform(0.85, 1.15))
            edge.append((x + side * reach, low + tall * 0.012))
            edge.append((x + side * reach * 0.52, low - tall * 0.012))
    trunk = tall * 0.018
    return [
        (x, foot - tall), *right, (x + trunk, foot - tall * 0.045), (x + trunk, foot + 0.006),
        (x - trunk, foot + 0.006), (x - trunk, foot - tall * 0.045), *reversed(left),
    ]  # fmt: skip


def frame(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, line: Plane) -> None:
    """Tall dark firs at the picture's edges; the middle and the subject stay free."""
    chance = scene.rng("frame")
    places = [(-0.02, 0.74), (0.06, 0.56), (0.13, 0.4), (1.02, 0.8), (0.955, 0.62), (0.9, 0.44), (0.84, 0.3)]
    trees = []
    for share, tall in places:
        x = share * canvas.width
        if abs(x - plan.focus) > 0.2:
            foot = float(np.interp(x, canvas.x, line)) + 0.012
            trees.append(fir(x, foot, tall * float(chance.uniform(0.85, 1.1)), chance))
    snow = 0.16 if scene.snowy else 0.0
    keep = 0.0 if scene.snowy else 0.3 * colours.day + 0.3 * (scene.season == "autumn")
    colour = mix(mix(colours.near, colours.ground, 0.1 + keep), colours.haze, 0.05 + snow)

    def draw(pen: Pen) -> None:
        for tree in trees:
            pen.area(tree)

    canvas.stamp(colour, canvas.stencil((0, 0, canvas.width, canvas.height), draw))


def grass(canvas: Canvas, scene: Scene, line: Plane, dark: Floats, bright: Floats) -> None:
    """Blades along the foreground's edge, so that things stand in it rather than on it."""
    chance = scene.rng("grass")
    count = 700
    lean = 0.55 * scene.side if "wind" in scene.weather else 0.0
    at = chance.random(count) * canvas.width
    tall = 0.008 + 0.022 * chance.random(count) ** 2.5
    bend = chance.normal(lean, 0.35, count)
    for colour, part in ((dark, slice(0, None, 2)), (bright, slice(1, None, 2))):
        feet = np.interp(at[part], canvas.x, line) + 0.006

        def draw(pen: Pen, part: slice = part, feet: Points = feet) -> None:
            for x, foot, long, across in zip(at[part], feet, tall[part], bend[part], strict=True):
                pen.area([(x - 0.0011, foot), (x + across * long, foot - long), (x + 0.0011, foot)])

        box = (0.0, float(line.min()) - 0.04, canvas.width, min(float(line.max()) + 0.02, canvas.height))
        canvas.stamp(colour, canvas.stencil(box, draw), 1.0 if colour is dark else 0.55)


def skyline(canvas: Canvas, scene: Scene, plan: Plan, colours: Palette) -> None:
    """Three rows of towers, the far ones pale, with lit windows when it is dark."""
    for index in range(3):
        chance = scene.rng(f"towers {index}")
        base = canvas.height - 0.02 if index == 2 else plan.horizon + 0.1 + 0.05 * index
        towers: list[tuple[float, float, float, float]] = []
        x = -0.05
        while x < canvas.width + 0.05:
            wide = float(chance.uniform(0.045, 0.1)) * (0.75 + 0.2 * index)
            middle = abs((x + wide / 2) / canvas.width - (0.5 - 0.14 * scene.side))
            swell = np.exp(-((middle / 0.3) ** 2))
            tall = float(
                chance.uniform(0.09, 0.2) + chance.uniform(0.06, 0.34) * swell * (1.15 - 0.3 * index)
            )
            towers.append((x, wide, tall * (1 - 0.16 * index), float(chance.random())))
            x += wide * float(chance.uniform(0.88, 1.12))
        _towers(canvas, scene, colours, towers, base, index, chance)


def _towers(
    canvas: Canvas,
    scene: Scene,
    colours: Palette,
    towers: list[tuple[float, float, float, float]],
    base: float,
    index: int,
    chance: np.random.Generator,
) -> None:
    colour = mix(colours.far, mix(colours.near, colours.ground, 0.55 * colours.day), 0.15 + 0.36 * index)
    windows: list[tuple[float, float, float, float]] = []
    cell = 0.0135 + 0.002 * index

    def walls(pen: Pen) -> None:
        for x, wide, tall, kind in towers:
            top = base - tall
            pen.area([(x, canvas.height), (x, top), (x + wide, top), (x + wide, canvas.height)])
            if kind < 0.22:
                pen.area([(x + wide * 0.2, top), (x + wide * 0.5, top - wide * 0.7), (x + wide * 0.8, top)])
            elif kind < 0.5:
                pen.area(
                    [
                        (x + wide * 0.2, top),
                        (x + wide * 0.2, top - 0.022),
                        (x + wide * 0.8, top - 0.022),
                        (x + wide * 0.8, top),
                    ]
                )
            if kind < 0.16 or kind > 0.9:
                middle = x + wide / 2
                pen.area(
                    [
                        (middle - 0.0016, top),
                        (middle - 0.0006, top - 0.09),
                        (middle + 0.0006, top - 0.09),
                        (middle + 0.0016, top),
                    ]
                )

    stencil = canvas.stencil((0, _top(towers, base), canvas.width, canvas.height), walls)
    fog = np.clip((canvas.y[stencil.rows] - np.float32(base - 0.3)) / np.float32(0.42), 0, 1)[
        :, None
    ] * np.float32(0.5 - 0.12 * index)
    canvas.stamp(colour, stencil)
    canvas.blend(colours.haze, stencil.cover * fog, stencil.rows, stencil.columns)
    share = 0.42 if colours.day < 0.4 else 0.2 if colours.day < 0.7 else 0.0
    for x, wide, tall, _ in towers:
        across = max(int(wide / cell) - 1, 1)
        margin = (wide - across * cell) / 2
        for row in range(int(tall / cell / 1.25) - 1):
            y = base - tall + (row + 0.8) * cell * 1.25
            lit = [column for column in range(across) if chance.random() < share]
            windows.extend(
                (x + margin + (column + 0.24) * cell, y, cell * 0.5, cell * 0.62) for column in lit
            )

    def lights(pen: Pen) -> None:
        for x, y, wide, tall in windows:
            pen.area([(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)])

    if windows:
        glass = canvas.stencil((0, _top(towers, base), canvas.width, canvas.height), lights)
        canvas.stamp(rgb("#ffd98c"), glass, 0.34 + 0.2 * index)


def _top(towers: list[tuple[float, float, float, float]], base: float) -> float:
    return base - max(tall for _, _, tall, _ in towers) - 0.1


def village(
    canvas: Canvas, scene: Scene, plan: Plan, colours: Palette, foot: float, *, flat: bool = False
) -> None:
    """A handful of houses and a church, their feet about `foot`, or all on it along a quay."""
    chance = scene.rng("village")
    middle = canvas.width * (0.5 - 0.12 * scene.side)
    roof = mix(colours.lit(rgb("#e8eef6" if scene.snowy else "#a5533c")), colours.haze, 0.12)
    wall = mix(colours.lit(rgb("#ead9bd")), colours.haze, 0.12)
    houses = sorted(
        (
            (
                middle + float(chance.uniform(-0.36, 0.36)),
                foot + float(chance.uniform(-0.03, 0.03)) * (not flat),
                float(chance.uniform(0.042, 0.06)),
            )
            for _ in range(18 if flat else 13)
        ),
        key=lambda house: house[1],
    )
    for x, y, wide in houses:
        tall = wide * 0.6
        box = (x - wide, y - wide * 2.4, x + wide, y + 0.02)

        def body(pen: Pen, x: float = x, y: float = y, wide: float = wide, tall: float = tall) -> None:
            pen.area(
                [
                    (x - wide / 2, y + 0.012),
                    (x - wide / 2, y - tall),
                    (x + wide / 2, y - tall),
                    (x + wide / 2, y + 0.012),
                ]
            )

        def top(pen: Pen, x: float = x, y: float = y, wide: float = wide, tall: float = tall) -> None:
            pen.area(
                [
                    (x - wide * 0.6, y - tall),
                    (x - wide * 0.3, y - tall * 1.85),
                    (x + wide * 0.3, y - tall * 1.85),
                    (x + wide * 0.6, y - tall),
                ]
            )

        def window(pen: Pen, x: float = x, y: float = y, wide: float = wide, tall: float = tall) -> None:
            for across in (-0.24, 0.12):
                left = x + wide * across
                pen.area(
                    [
                        (left, y - tall * 0.3),
                        (left, y - tall * 0.72),
                        (left + wide * 0.13, y - tall * 0.72),
                        (left + wide * 0.13, y - tall * 0.3),
                    ]
                )

        canvas.stamp(wall, canvas.stencil(box, body))
        canvas.stamp(roof, canvas.stencil(box, top))
        canvas.stamp(rgb("#ffd98c") if colours.day < 0.6 else colours.near, canvas.stencil(box, window), 0.85)
    x, y = middle, foot - 0.02
    tower = [
        (x - 0.016, y + 0.03),
        (x - 0.016, y - 0.1),
        (x, y - 0.19),
        (x + 0.016, y - 0.1),
        (x + 0.016, y + 0.03),
    ]
    canvas.stamp(
        mix(wall, colours.near, 0.12),
        canvas.stencil((x - 0.03, y - 0.2, x + 0.03, y + 0.04), lambda pen: pen.area(tower)),
    )
    spire = [(x - 0.02, y - 0.1), (x, y - 0.19), (x + 0.02, y - 0.1)]
    canvas.stamp(roof, canvas.stencil((x - 0.03, y - 0.2, x + 0.03, y), lambda pen: pen.area(spire)))
