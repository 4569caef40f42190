"""A scene's colours: everything is mixed from one sky, so that nothing clashes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from chat.agent.painter.colour import Floats, from_oklab, mix, rgb, to_oklab

if TYPE_CHECKING:
    from chat.agent.painter.local.scene import Scene


@dataclass(frozen=True)
class Palette:
    sky: tuple[tuple[float, Floats], ...]
    """Stops from the zenith (0) to the horizon (1)."""
    light: Floats
    """The sun's or moon's own colour."""
    haze: Floats
    """What distance fades into."""
    far: Floats
    near: Floats
    """The most distant and the nearest land."""
    ground: Floats
    """The land's own colour, before the light."""
    day: float
    """How much of its own colour a thing shows: 1 in daylight, little against the light."""
    glow: float
    """How strongly the sun or moon spreads."""

    @property
    def dark(self) -> bool:
        return self.day < 0.3

    def lit(self, colour: Floats, keep: float = 1.0) -> Floats:
        """A thing's own colour as it looks in this light, standing near."""
        return mix(self.near, colour, min(1.0, (0.35 + 0.65 * self.day) * keep))


_SKIES = {
    "dawn": "#4a6aa3 #8c9cc9 #d5adc6 #f6c8b4 #ffe2bd",
    "day": "#3a86cf #6cafe4 #a5d1ee #d3e8ee #eaf1ea",
    "golden": "#5f83b2 #a5a6b6 #e4bfa0 #fbcf88 #ffe6ae",
    "sunset": "#221f53 #5b3180 #b14a7e #f4765f #ffae66 #ffd390",
    "dusk": "#10193d #29386f #5c5b9b #a27aa3 #e6a997",
    "night": "#050a20 #0b1739 #152a5c #26427c #38568c",
    "space": "#04040f #0a0a26 #17123f #2a1a57 #35205f",
}
"""The sky from the zenith down to the horizon."""
_LIGHTS: dict[str, tuple[str, str, str, str, float, float]] = {
    "dawn": ("#fff3d2", "#f7cdb8", "#b7a0bf", "#36405f", 0.5, 0.8),
    "day": ("#fffbe6", "#d8e9ee", "#a3c3d3", "#22443f", 0.9, 0.35),
    "golden": ("#fff4cf", "#ffdc9a", "#d2a87c", "#46352a", 0.55, 0.85),
    "sunset": ("#fff0c4", "#ff9f72", "#a85a7d", "#1e1230", 0.3, 1.0),
    "dusk": ("#f6efe0", "#b886a0", "#635f92", "#10152c", 0.24, 0.45),
    "night": ("#f5f0dc", "#31497f", "#26396c", "#060b1b", 0.2, 0.4),
    "space": ("#f6f0ff", "#3a2a70", "#2c2358", "#07060f", 0.35, 0.4),
}
"""The sun or moon, the haze, the far and the near land, day, glow."""

_GROUNDS = {
    "hills": "#5c8f4e", "mountains": "#5a7a6a", "sea": "#5d7268", "beach": "#e2c592", "forest": "#2f6349",
    "desert": "#d6914f", "city": "#4a5874", "lake": "#4c7d5c", "meadow": "#7fa848", "harbour": "#56697a",
    "river": "#5f8f55", "space": "#3a3a63", "village": "#6b9450", "garden": "#6fa356", "waterfall": "#3d7358",
    "island": "#4f8f5a",
}  # fmt: skip
_SEASONS = {"spring": "#84b45a", "summer": "#86a545", "autumn": "#b8692f", "winter": "#dfe8f2"}


def palette(scene: Scene) -> Palette:
    hour = "space" if scene.place == "space" else scene.time
    light, haze, far, near, day, glow = _LIGHTS[hour]
    codes = _SKIES[hour].split()
    places = np.linspace(0, 1, len(codes)) ** 0.85
    made = Palette(
        sky=tuple((float(at), rgb(code)) for at, code in zip(places, codes, strict=True)),
        light=rgb(light), haze=rgb(haze), far=rgb(far), near=rgb(near),
        ground=_ground(scene), day=day, glow=glow,
    )  # fmt: skip
    return _mood(scene, _tint(scene, _weather(scene, made)))


def _ground(scene: Scene) -> Floats:
    own = rgb(_GROUNDS[scene.place])
    if scene.snowy and scene.place not in ("space", "city"):
        return mix(own, rgb(_SEASONS["winter"]), 0.9)
    if scene.season is not None and scene.place not in ("desert", "beach", "city", "space", "sea", "harbour"):
        return mix(own, rgb(_SEASONS[scene.season]), 0.75)
    return own


def _weather(scene: Scene, made: Palette) -> Palette:
    if "storm" in scene.weather:
        return _wash(made, chroma=0.5, lightness=0.68, towards=rgb("#4b5768"), share=0.35, glow=0.25)
    if "rain" in scene.weather:
        return _wash(made, chroma=0.55, lightness=0.84, towards=rgb("#7d8b9b"), share=0.35, glow=0.3)
    if "fog" in scene.weather:
        return _wash(made, chroma=0.7, lightness=1.0, towards=made.haze, share=0.35, glow=0.6)
    if "snow" in scene.weather:
        return _wash(
            made,
            chroma=0.7,
            lightness=1.0,
            towards=rgb("#b9c6d8"),
            share=0.3 if made.day > 0.4 else 0.1,
            glow=0.5,
        )
    if "cloudy" in scene.weather:
        return _wash(made, chroma=0.85, lightness=0.97, towards=made.haze, share=0.12, glow=0.7)
    return made


def _tint(scene: Scene, made: Palette) -> Palette:
    """Colours named for the whole picture: the hue of the sky and the land leans to them, their lightness
    stays.
    """
    if not scene.tints:
        return made
    first, last = rgb(scene.tints[0]), rgb(scene.tints[-1])
    return replace(
        made,
        sky=tuple((at, _lean(colour, mix(first, last, at), 0.5)) for at, colour in made.sky),
        haze=_lean(made.haze, last, 0.42), far=_lean(made.far, last, 0.55), near=_lean(made.near, first, 0.4),
        ground=_lean(made.ground, first, 0.45),
    )  # fmt: skip


def _mood(scene: Scene, made: Palette) -> Palette:
    match scene.mood:
        case "dramatic":
            return _wash(made, chroma=1.12, lightness=0.9, towards=made.near, share=0.04, glow=1.1)
        case "warm":
            return _wash(made, chroma=1.08, lightness=1.02, towards=rgb("#f0a060"), share=0.1, glow=1.1)
        case "cold":
            return _wash(made, chroma=0.75, lightness=0.96, towards=rgb("#6f8fb5"), share=0.16, glow=0.7)
        case "dreamy":
            return _wash(made, chroma=0.95, lightness=1.05, towards=rgb("#d9b8e6"), share=0.16, glow=1.15)
        case "calm":
            return _wash(made, chroma=0.92, lightness=1.0, towards=made.haze, share=0.06, glow=0.9)
        case None:
            return made


def _wash(
    made: Palette, *, chroma: float, lightness: float, towards: Floats, share: float, glow: float
) -> Palette:
    def washed(colour: Floats) -> Floats:
        lab = to_oklab(mix(colour, towards, share))
        return np.clip(from_oklab(lab * np.array([lightness, chroma, chroma])), 0, 1)

    return replace(
        made,
        sky=tuple((at, washed(colour)) for at, colour in made.sky),
        haze=washed(made.haze), far=washed(made.far), near=mix(made.near, washed(made.near), 0.5),
        glow=made.glow * glow,
    )  # fmt: skip


def _lean(colour: Floats, towards: Floats, share: float) -> Floats:
    lab, aim = to_oklab(colour), to_oklab(towards)
    lab[1:] += (aim[1:] - lab[1:]) * share
    lab[0] += (aim[0] - lab[0]) * share * 0.25
    return np.clip(from_oklab(lab), 0, 1)
