"""The accent colour that a picture gives to the page around it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from chat.agent.painter.colour import Floats, contrast, from_oklch, to_oklab

BINS = 36
LIGHT_SHEET = np.array([0.93, 0.925, 0.945])
"""A sheet of the light theme over a dark picture: the hardest ground that the light accent stands on."""
DARK_SHEET = np.array([0.20, 0.19, 0.23])
"""The same of the dark theme, over a bright picture."""
CONTRAST = 4.5


def accent(image: Image.Image) -> dict[str, str]:
    """The dominant colourful hue as `{"light": "oklch(…)", "dark": "oklch(…)"}`, one for each theme.

    Each keeps 4.5:1 against its theme's sheet; the light one does so against white as well. A grey picture
    gives a quiet, almost grey accent.
    """
    hue, chroma = _dominant(image)
    return {
        "light": _css(hue, min(max(chroma, 0.02) * 1.4, 0.19), np.arange(0.60, 0.2, -0.005), LIGHT_SHEET),
        "dark": _css(hue, min(max(chroma, 0.02) * 1.25, 0.16), np.arange(0.72, 0.99, 0.005), DARK_SHEET),
    }


def _dominant(image: Image.Image) -> tuple[float, float]:
    """Hue in degrees and chroma of the hue with the most colour; pixels near black or white say little
    about theirs.
    """
    small = image.convert("RGB").resize((72, 48), Image.Resampling.BOX)
    lab = to_oklab(np.asarray(small, float).reshape(-1, 3) / 255)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    weight = chroma**2 * np.clip((lab[:, 0] - 0.15) / 0.3, 0, 1) * np.clip((1.0 - lab[:, 0]) / 0.15, 0, 1)
    if weight.sum() < 1e-6:
        return 270.0, 0.0
    bins = np.bincount((hue / 360 * BINS).astype(int) % BINS, weights=weight, minlength=BINS)
    smooth = bins * 2 + np.roll(bins, 1) + np.roll(bins, -1)
    centre = (int(smooth.argmax()) + 0.5) * 360 / BINS
    near = np.abs((hue - centre + 180) % 360 - 180) < 1.5 * 360 / BINS
    turn = np.radians(hue[near])
    mean = (
        np.degrees(np.arctan2((np.sin(turn) * weight[near]).sum(), (np.cos(turn) * weight[near]).sum())) % 360
    )
    return float(mean), float((chroma[near] * weight[near]).sum() / weight[near].sum())


def _css(hue: float, chroma: float, lightnesses: Floats, sheet: Floats) -> str:
    """The first lightness whose contrast holds, with the chroma that the screen can show there."""
    for lightness in lightnesses:
        colour = from_oklch(float(lightness), chroma, hue)
        if contrast(colour, sheet) >= CONTRAST + 0.1:
            break
    _, a, b = to_oklab(colour)
    return f"oklch({lightness:.3f} {np.hypot(a, b):.3f} {hue:.1f})"
