"""Where things stand in the picture, in units, before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Canvas
    from chat.agent.painter.local.scene import Scene

_HORIZONS = {
    "hills": 0.62, "mountains": 0.66, "sea": 0.6, "beach": 0.55, "forest": 0.64, "desert": 0.6,
    "city": 0.74, "lake": 0.58,
    "meadow": 0.6, "harbour": 0.62, "river": 0.58, "space": 0.86, "village": 0.62, "garden": 0.6,
    "waterfall": 0.68,
    "island": 0.6,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    horizon: float
    sun: tuple[float, float, float] | None
    """x, y and radius of the sun, or of the moon; None: behind clouds."""
    moon: bool
    focus: float
    """x of the first subject, off the centre."""
    towards: int
    """1: the light comes from the right; -1: from the left."""


def plan(scene: Scene, canvas: Canvas) -> Plan:
    chance = scene.rng("plan")
    horizon = canvas.height * (_HORIZONS[scene.place] + float(chance.uniform(-0.015, 0.015)))
    sunward = 0.5 - scene.side * float(chance.uniform(0.14, 0.2))
    moon = scene.time == "night" or scene.place == "space" or (scene.has("moon") and not scene.has("sun"))
    radius = 0.055 if moon else {"dawn": 0.05, "sunset": 0.066, "golden": 0.055}.get(scene.time, 0.045)
    if scene.has("moon") or scene.has("sun"):
        radius *= 1.55
    high = {"dawn": 0.78, "sunset": 0.83, "golden": 0.62, "dusk": 0.72}.get(scene.time, 0.26)
    if moon:
        high = 0.3 if scene.time in ("night", "day") else 0.45
    shown = (
        not (scene.weather & {"rain", "storm", "fog", "snow", "rainbow"})
        or scene.has("sun")
        or scene.has("moon")
    )
    if (scene.time == "dusk" and not moon) or "aurora" in scene.weather or scene.place == "space":
        shown = scene.has("sun") or scene.has("moon")
    at = (canvas.width * sunward, horizon * high, radius) if shown else None
    focus = canvas.width * (0.5 + scene.side * float(chance.uniform(0.2, 0.25)))
    return Plan(horizon=horizon, sun=at, moon=moon, focus=focus, towards=-scene.side)
