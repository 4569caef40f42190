"""Noise that does not know the canvas's pixels: the same hills on a small canvas and on a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from chat.agent.painter.local.canvas import Plane

LATTICE = 256


def curve(
    x: Plane,
    rng: np.random.Generator,
    *,
    frequency: float,
    octaves: int = 5,
    gain: float = 0.5,
    sharp: float = 0.0,
) -> Plane:
    """A wavy line of about -1 to 1 over x in units; `frequency` in waves a unit; `sharp` from 0 (rolling)
    to 1 (crags).
    """
    total = np.zeros(x.shape, np.float64)
    weight, reach = 1.0, 0.0
    for _ in range(octaves):
        values = rng.uniform(-1, 1, LATTICE)
        place = x.astype(np.float64) * frequency + rng.uniform(0, LATTICE)
        cell = np.floor(place).astype(int)
        share = place - cell
        smooth = share * share * share * (share * (share * 6 - 15) + 10)
        share = smooth * (1 - sharp) + share * sharp
        one, other = values[cell % LATTICE], values[(cell + 1) % LATTICE]
        total += weight * (one + (other - one) * share)
        reach += weight
        weight *= gain
        frequency *= 2.03
    return (total / reach * 1.6).astype(np.float32)


def billow(x: Plane, rng: np.random.Generator, *, frequency: float, octaves: int = 4) -> Plane:
    """A line of round tops and sharp valleys, 0 to 1: clouds, crowns of trees."""
    total = np.zeros(x.shape, np.float64)
    weight, reach = 1.0, 0.0
    for _ in range(octaves):
        place = x.astype(np.float64) * frequency + rng.uniform(0, 100)
        cell = np.floor(place).astype(int)
        share = place - cell
        height = rng.uniform(0.35, 1, LATTICE)[cell % LATTICE]
        total += weight * height * np.sqrt(np.maximum(1 - (2 * share - 1) ** 2, 0))
        reach += weight
        weight *= 0.42
        frequency *= 2.37
    return (total / reach).astype(np.float32)


def field(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    cells: tuple[int, int],
    octaves: int = 4,
    gain: float = 0.5,
) -> Plane:
    """Soft noise of 0 to 1 over rows × columns; `cells` (down, across) of the coarsest octave."""
    total = np.zeros(shape, np.float32)
    weight, reach = 1.0, 0.0
    for octave in range(octaves):
        down, across = cells[0] << octave, cells[1] << octave
        lattice = rng.random((down + 3, across + 3), np.float32)
        if octave and (down > shape[0] * 2 or across > shape[1] * 2):
            break
        sheet = Image.fromarray(lattice).resize(
            (shape[1], shape[0]), Image.Resampling.BICUBIC, box=(1, 1, 1 + across, 1 + down)
        )
        total += np.float32(weight) * np.asarray(sheet)
        reach += weight
        weight *= gain
    return total / np.float32(reach)


def tile(size: int, rng: np.random.Generator, *, finest: float) -> Plane:
    """Soft noise of about -0.5 to 0.5 over size × size that repeats without a seam; `finest` in waves a
    tile.
    """
    white = np.fft.rfft2(rng.standard_normal((size, size)))
    down, across = np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None, :] * size
    soft = np.fft.irfft2(white * np.exp(-((down**2 + across**2) / finest**2)), (size, size))
    scaled: Plane = (soft / (soft.std() * 5)).astype(np.float32)
    return scaled


def smoothstep(low: float, high: float, value: Plane) -> Plane:
    share = np.clip((value - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    smooth: Plane = share * share * (3 - 2 * share)
    return smooth
