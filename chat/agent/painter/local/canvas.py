"""The canvas: a picture under way, and the few strokes that everything is painted with.

Lengths are in units: one unit is the picture's height in a 3:2 landscape, whatever its pixels, so that a
small canvas shows the same composition as a large one. x runs right from 0 to `width`, y down from 0 to
`height`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chat.agent.painter.colour import Floats

Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


class Canvas:
    def __init__(self, size: tuple[int, int]) -> None:
        self.columns, self.rows = size
        self.scale = float(np.sqrt(self.columns * self.rows / 1.5))
        """Pixels of one unit."""
        self.width, self.height = self.columns / self.scale, self.rows / self.scale
        self.pixels: Plane = np.zeros((3, self.rows, self.columns), np.float32)
        """Red, green, blue, each rows × columns, from 0 to 1: planes, because numpy is fast along long
        rows.
        """
        self.x: Plane = (np.arange(self.columns, dtype=np.float32) + 0.5) / np.float32(self.scale)
        self.y: Plane = (np.arange(self.rows, dtype=np.float32) + 0.5) / np.float32(self.scale)

    def rows_between(self, top: float, bottom: float) -> slice:
        """The rows that touch the band from `top` to `bottom`, in units."""
        first = min(max(int(np.floor(top * self.scale)) - 1, 0), self.rows)
        return slice(first, max(min(int(np.ceil(bottom * self.scale)) + 1, self.rows), first))

    def blend(self, colour: Floats, cover: Plane, rows: slice, columns: slice = slice(None)) -> None:
        """One colour over the region, as opaque as `cover` says."""
        for plane, value in zip(self.pixels, colour, strict=True):
            part = plane[rows, columns]
            part += (np.float32(value) - part) * cover

    def add(
        self, colour: Floats, light: Plane, rows: slice = slice(None), columns: slice = slice(None)
    ) -> None:
        """Light over the region, as bright as `light` says: the screen of two photographs, never past
        white.
        """
        for plane, value in zip(self.pixels, colour, strict=True):
            part = plane[rows, columns]
            part += (1 - part) * (light * np.float32(value))

    def fill_below(self, ridge: Plane, ramp: Callable[[Plane], Plane], *, opacity: float = 1.0) -> None:
        """All that lies below a line (y in units, one value per column); `ramp` gives rows' y their
        colours, (3, rows).

        The edge is as smooth as the slope is steep: coverage is the distance to the line along its normal.
        """
        rows = self.rows_between(float(ridge.min()), self.height)
        cover = self.below(ridge, rows)
        if opacity < 1:
            cover *= np.float32(opacity)
        colours = ramp(self.y[rows])
        for plane, values in zip(self.pixels, colours, strict=True):
            part = plane[rows]
            part += (values[:, None] - part) * cover

    def below(self, ridge: Plane, rows: slice) -> Plane:
        """How much of each pixel lies below the line, from 0 to 1."""
        steep = np.sqrt(1 + (np.gradient(ridge) * self.scale) ** 2).astype(np.float32)
        cover: Plane = (self.y[rows, None] - ridge[None, :]) * (np.float32(self.scale) / steep)[None, :]
        cover += np.float32(0.5)
        np.clip(cover, 0, 1, out=cover)
        return cover

    def stencil(self, box: tuple[float, float, float, float], draw: Callable[[Pen], None]) -> Stencil:
        """What `draw` draws within a box (left, top, right, bottom), in units, antialiased fourfold."""
        left, top = int(np.floor(box[0] * self.scale)), int(np.floor(box[1] * self.scale))
        right, bottom = int(np.ceil(box[2] * self.scale)), int(np.ceil(box[3] * self.scale))
        left, top = min(max(left, 0), self.columns), min(max(top, 0), self.rows)
        right, bottom = min(max(right, left), self.columns), min(max(bottom, top), self.rows)
        rows, columns = slice(top, bottom), slice(left, right)
        if left == right or top == bottom:
            return Stencil(rows, columns, np.zeros((bottom - top, right - left), np.float32))
        fine = 4 if (right - left) * (bottom - top) < 200_000 else 2
        sheet = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
        draw(Pen(ImageDraw.Draw(sheet), self.scale * fine, left * fine, top * fine))
        return Stencil(rows, columns, np.asarray(sheet.reduce(fine), np.float32) / np.float32(255))

    def stamp(self, colour: Floats, stencil: Stencil, opacity: float = 1.0) -> None:
        self.blend(colour, stencil.cover * np.float32(opacity), stencil.rows, stencil.columns)

    def image(self) -> Image.Image:
        planes = [np.clip(plane * 255 + 0.5, 0, 255).astype(np.uint8) for plane in self.pixels]
        return Image.merge("RGB", [Image.fromarray(plane) for plane in planes])


class Pen:
    """Draws in units on a fine sheet."""

    def __init__(self, draw: ImageDraw.ImageDraw, scale: float, left: int, top: int) -> None:
        self._draw, self.scale, self._left, self._top = draw, scale, left, top

    def area(self, points: Points | Iterable[tuple[float, float]], shade: int = 255) -> None:
        placed = np.asarray(points, float) * self.scale - (self._left, self._top)
        self._draw.polygon([tuple(point) for point in placed.tolist()], fill=shade)

    def disc(self, x: float, y: float, radius: float, shade: int = 255, *, flat: float = 1.0) -> None:
        x, y = x * self.scale - self._left, y * self.scale - self._top
        across, down = radius * self.scale, radius * self.scale * flat
        self._draw.ellipse((x - across, y - down, x + across, y + down), fill=shade)


class Stencil:
    """Where and how densely something covers the canvas."""

    def __init__(self, rows: slice, columns: slice, cover: Plane) -> None:
        self.rows, self.columns, self.cover = rows, columns, cover

    def blurred(self, radius: float) -> Stencil:
        """Softer by `radius` pixels, within the same box."""
        if radius < 0.3 or not self.cover.size:
            return self
        sheet = Image.fromarray((self.cover * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(radius))
        return Stencil(self.rows, self.columns, np.asarray(sheet, np.float32) / np.float32(255))

    def shifted(self, across: int, down: int) -> Stencil:
        moved = np.zeros_like(self.cover)
        height, width = self.cover.shape
        if abs(across) < width and abs(down) < height:
            moved[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)] = self.cover[
                max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)
            ]
        return Stencil(self.rows, self.columns, moved)


def ramp(stops: Iterable[tuple[float, Floats]]) -> Callable[[Plane], Plane]:
    """Colours by y, between stops (y in units, colour)."""
    places, colours = zip(*stops, strict=True)

    def at(y: Plane) -> Plane:
        return np.stack([np.interp(y, places, [colour[i] for colour in colours]) for i in range(3)]).astype(
            np.float32
        )

    return at
