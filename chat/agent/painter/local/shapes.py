"""Shapes as short texts of points, and the smooth outlines that go through them.

A shape lives in a square of 100 by 100, y down, its feet on y=100, looking right. `12,40` is a point that
the outline flows through, `12,40!` a corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Points

Paint = Literal["body", "light", "pale", "dark", "black", "glow", "wood"]
"""What a part is painted with: the subject's own colour, a lighter and a nearly white one of it, a darker
one, black, lamp
light, wood."""
STEPS = 9


@dataclass(frozen=True)
class Part:
    paint: Paint
    text: str
    stroke: tuple[float, float] | None = None
    """The width of a line through the points, at its start and end; None: an area."""

    def outline(self) -> Points:
        return _line(self.text, *self.stroke) if self.stroke else _area(self.text)


@dataclass(frozen=True)
class Shape:
    parts: tuple[Part, ...]
    height: float
    """In units, where it stands alone."""
    colour: str
    """Its own colour where the prompt names none."""


def _points(text: str) -> tuple[Points, list[bool]]:
    marks = text.split()
    corners = [mark.endswith("!") for mark in marks]
    return np.array([[float(n) for n in mark.rstrip("!").split(",")] for mark in marks]), corners


@cache
def _area(text: str) -> Points:
    points, corners = _points(text)
    return _flow(np.vstack([points, points[:1]]), [*corners, corners[0]], closed=True)


@cache
def _line(text: str, first: float, last: float) -> Points:
    points, corners = _points(text)
    middle = _flow(points, corners, closed=False)
    along = np.gradient(middle, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], 1) * (np.linspace(first, last, len(middle)) / 2)[:, None]
    return np.vstack([middle + normal, (middle - normal)[::-1]])


def _flow(points: Points, corners: list[bool], *, closed: bool) -> Points:
    """Cubic pieces through the points (Catmull-Rom); a corner has no tangent of its own."""
    count = len(points)
    before = np.vstack([points[-2:-1] if closed else points[:1], points[:-1]])
    after = np.vstack([points[1:], points[1:2] if closed else points[-1:]])
    tangents = (after - before) / 2
    tangents[np.array(corners)] = 0
    share = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    pieces = []
    for i in range(count - 1):
        step = points[i + 1] - points[i]
        size = np.hypot(*step)
        out, into = (
            t * min(1.0, 1.6 * size / max(np.hypot(*t), 1e-9)) for t in (tangents[i], tangents[i + 1])
        )
        pieces.append(
            (2 * share**3 - 3 * share**2 + 1) * points[i] + (share**3 - 2 * share**2 + share) * out
            + (-2 * share**3 + 3 * share**2) * points[i + 1] + (share**3 - share**2) * into
        )  # fmt: skip
    return np.vstack([*pieces, points[-1:]])
