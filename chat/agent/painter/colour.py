"""Colour as numbers: sRGB, OKLab and OKLCH (Björn Ottosson, 2020), and the contrast of WCAG 2.

Arrays hold colours in their last axis. sRGB runs from 0 to 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS = np.linalg.inv(_LMS)
_FROM_LAB = np.linalg.inv(_LAB)


def rgb(code: str) -> Floats:
    """`#rrggbb` as sRGB."""
    digits = code.removeprefix("#")
    return np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def linear(srgb: Floats) -> Floats:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


def gamma(light: Floats) -> Floats:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def to_oklab(srgb: Floats) -> Floats:
    return np.asarray(np.cbrt(linear(np.asarray(srgb, float)) @ _LMS.T) @ _LAB.T)


def from_oklab(lab: Floats) -> Floats:
    """sRGB, not clipped: outside 0 to 1 the colour is outside the gamut."""
    return gamma((np.asarray(lab, float) @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T)


def from_oklch(lightness: float, chroma: float, hue: float) -> Floats:
    """sRGB of an OKLCH colour, hue in degrees; the chroma gives way until the colour is in the gamut."""
    turn = np.radians(hue)
    for share in np.linspace(1, 0, 33):
        reach = chroma * share
        colour = from_oklab(np.array([lightness, reach * np.cos(turn), reach * np.sin(turn)]))
        if colour.min() >= -1e-4 and colour.max() <= 1 + 1e-4:
            break
    return np.clip(colour, 0, 1)


def to_oklch(srgb: Floats) -> tuple[float, float, float]:
    lightness, a, b = to_oklab(srgb)
    return float(lightness), float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)


def mix(one: Floats, other: Floats, share: float) -> Floats:
    """`share` of the other colour, mixed in OKLab so that no grey lies between two hues."""
    return np.clip(from_oklab(to_oklab(one) * (1 - share) + to_oklab(other) * share), 0, 1)


def luminance(srgb: Floats) -> float:
    return float(linear(np.asarray(srgb, float)) @ np.array([0.2126, 0.7152, 0.0722]))


def contrast(one: Floats, other: Floats) -> float:
    """WCAG 2 contrast, from 1 to 21."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
