"""The words the demo model understands in a request: colours, gradients, and changes of a picture."""

from __future__ import annotations

import colorsys
import re

# Colours as people name them for a page, softer than CSS's namesakes.
COLOURS = {
    "amber": "#f59e0b", "apricot": "#f8b88b", "aqua": "#22c1c3", "beige": "#e9dfc9", "black": "#0b0d12",
    "blue": "#2563eb", "brown": "#7a5230", "burgundy": "#6d1a36", "charcoal": "#2b3038", "coral": "#f47b67",
    "cream": "#f7f0dc", "crimson": "#b3123b", "cyan": "#0fb5d4", "emerald": "#0f9d6b", "forest green": "#1f5134",
    "gold": "#d4a72c", "gray": "#7d8590", "green": "#2e9e52", "grey": "#7d8590", "indigo": "#4338ca",
    "ivory": "#f8f5e6", "khaki": "#b8ac72", "lavender": "#c4b5ec", "lilac": "#c8a8de", "lime": "#8bc926",
    "magenta": "#c2188f", "maroon": "#6b1626", "midnight blue": "#131c3f", "mint": "#a5e3c6", "mustard": "#cf9f1f",
    "navy": "#14264f", "ochre": "#c07f24", "olive": "#6f7a2e", "orange": "#f0812b", "peach": "#fbc4a2",
    "pink": "#f08bb4", "plum": "#7b3b73", "purple": "#7a36c2", "red": "#d12f2f", "rose": "#dd5a7d",
    "rust": "#a9472a", "salmon": "#f2907f", "sand": "#dccaa2", "scarlet": "#d3241c", "sepia": "#6e5338",
    "silver": "#c3c9d1", "sky blue": "#8cc4ee", "slate": "#475569", "tan": "#cbaa82", "teal": "#11807c",
    "terracotta": "#c2613f", "turquoise": "#2cc0b4", "violet": "#6d3fd1", "white": "#fbfbfa", "yellow": "#f2cf3b",
}  # fmt: skip

# How a word before a colour moves its lightness and saturation.
_SHADES = {
    "bright": (0.06, 0.15), "vivid": (0.0, 0.25), "warm": (0.02, 0.05), "dark": (-0.18, 0.0), "deep": (-0.2, 0.08),
    "light": (0.2, 0.0), "pale": (0.28, -0.2), "soft": (0.12, -0.2), "muted": (0.0, -0.3), "dusty": (0.05, -0.3),
}  # fmt: skip

_ARTICLES = re.compile(
    r"^(?:(?:to|into|in|as|a|an|the|something|nice|very|plain|solid|just)\s+)+", re.IGNORECASE
)
_CSS_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})|(?:rgb|hsl|oklch)\([^()]*\)", re.IGNORECASE)


def colour(phrase: str) -> str | None:
    """The CSS colour that a phrase names ("deep blue", "#102a43"), or None when it is no colour."""
    words = _ARTICLES.sub("", phrase.strip().lower().rstrip(".!?"))
    words = re.sub(r"\s+(?:one|colou?r|tone|shade|background)$", "", words)
    if _CSS_COLOUR.fullmatch(words):
        return words
    if words in COLOURS:
        return COLOURS[words]
    shade, _, rest = words.partition(" ")
    if shade in _SHADES and rest in COLOURS:
        return _shaded(COLOURS[rest], *_SHADES[shade])
    return None


def gradient(phrase: str) -> str | None:
    """The CSS gradient of a phrase ("a gradient from teal to navy"), or None when a colour is not known."""
    words = re.sub(r"\b(?:gradient|fade|fading|background|smooth)\b", " ", phrase.lower())
    words = re.sub(
        r"\b(?:please|now|the|an?|with|of|from|make|set|give|me|it|into|use|change)\b", " ", words
    ).strip(" .!?")
    stops = [
        colour(part)
        for part in re.split(r"\s*(?:,|\bto\b|\band\b|\bthrough\b|\bvia\b|\bover\b)\s*", words)
        if part
    ]
    known = [stop for stop in stops if stop is not None]
    if len(known) < 2 or len(known) != len(stops):
        return None
    return f"linear-gradient(160deg, {', '.join(known)})"


_TIMES = r"(?:sunset|sunrise|dawn|dusk|night|noon|midnight|midday|twilight|the golden hour|golden hour|the blue hour)"
_TIME_PHRASE = re.compile(
    rf"\b(?:at|by|in|during) (?:the )?{_TIMES}\b|\bin the (?:morning|evening|afternoon)\b", re.IGNORECASE
)
_TIME_WORDS = {"day": "at noon", "daytime": "at noon", "dark": "at night", "nighttime": "at night"} | {
    part: f"in the {part}" for part in ("morning", "evening", "afternoon")
}
_WEATHER = {
    "rain": "in the rain", "rainy": "in the rain", "raining": "in the rain",
    "snow": "in the snow", "snowy": "in the snow", "snowing": "in the snow",
    "fog": "in the fog", "foggy": "in the fog", "mist": "in the mist", "misty": "in the mist",
    "storm": "in a storm", "stormy": "in a storm", "cloudy": "under clouds", "sunny": "in bright sunshine",
    "winter": "in winter", "summer": "in summer", "spring": "in spring", "autumn": "in autumn", "fall": "in autumn",
}  # fmt: skip
_WEATHER_PHRASE = re.compile(
    "|".join(rf"\b{phrase}\b" for phrase in sorted(set(_WEATHER.values()))), re.IGNORECASE
)


def changed(prompt: str, change: str, *, adds: bool) -> str:
    """A picture's prompt after a request such as "night", "in winter", "blue" or "a boat".

    `adds` tells "add a boat" from "make it a boat".
    """
    words = re.sub(
        r"^(?:(?:at|in|by|with|more|a bit|a little|during|the)\s+)+",
        "",
        change.strip(" .!?"),
        flags=re.IGNORECASE,
    )
    if time := _TIME_WORDS.get(words.lower()) or (
        re.fullmatch(_TIMES, words, re.IGNORECASE) and f"at {words}"
    ):
        return _replaced(prompt, _TIME_PHRASE, time)
    if weather := _WEATHER.get(words.lower()):
        return _replaced(prompt, _WEATHER_PHRASE, weather)
    if colour(words):
        named = "|".join(sorted(COLOURS, key=len, reverse=True))
        if re.search(rf"\b(?:{named})\b", prompt, re.IGNORECASE):
            return re.sub(rf"\b(?:{named})\b", words, prompt, count=1, flags=re.IGNORECASE)
        return f"{prompt}, in {words}"
    if not adds and re.match(r"an? ", words):
        kept = _TIME_PHRASE.search(prompt)
        return f"{words} {kept[0]}" if kept and not _TIME_PHRASE.search(words) else words
    return f"{prompt}, with {words}" if adds else f"{prompt}, {words}"


def _replaced(prompt: str, old: re.Pattern[str], new: str) -> str:
    return old.sub(new, prompt, count=1) if old.search(prompt) else f"{prompt} {new}"


def _shaded(hex_colour: str, lighter: float, stronger: float) -> str:
    red, green, blue = (int(hex_colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lightness = min(0.94, max(0.06, lightness + lighter))
    saturation = min(1.0, max(0.0, saturation + stronger)) if saturation else 0.0
    return "#" + "".join(
        f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation)
    )
