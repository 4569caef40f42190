"""The words that the local painter knows. Longer phrases win over shorter ones; a plural reads as its
singular.
"""

from __future__ import annotations

from typing import Literal

Time = Literal["dawn", "day", "golden", "sunset", "dusk", "night"]
Place = Literal[
    "hills", "mountains", "sea", "beach", "forest", "desert", "city", "lake", "meadow", "harbour", "river",
    "space", "village", "garden", "waterfall", "island",
]  # fmt: skip
Weather = Literal["clear", "cloudy", "rain", "snow", "storm", "fog", "wind", "rainbow", "aurora"]
Season = Literal["spring", "summer", "autumn", "winter"]
Mood = Literal["calm", "dramatic", "warm", "cold", "dreamy"]
Subject = Literal[
    "fox", "cat", "dog", "wolf", "deer", "horse", "bear", "rabbit", "bird", "birds", "owl", "whale", "fish",
    "boat", "lighthouse", "house", "castle", "tree", "flowers", "person", "balloon", "bridge", "train",
    "rocket", "mountain", "moon", "sun", "star", "planet",
]  # fmt: skip

TIMES: dict[str, Time] = {
    "dawn": "dawn", "sunrise": "dawn", "daybreak": "dawn", "early morning": "dawn", "morning": "dawn",
    "first light": "dawn", "day": "day", "daytime": "day", "noon": "day", "midday": "day", "sunny": "day",
    "afternoon": "day", "blue sky": "day", "daylight": "day", "golden hour": "golden",
    "late afternoon": "golden", "golden light": "golden", "sunset": "sunset", "sundown": "sunset",
    "evening": "sunset", "setting sun": "sunset", "dusk": "dusk", "twilight": "dusk", "blue hour": "dusk",
    "nightfall": "dusk", "gloaming": "dusk", "night": "night", "midnight": "night", "nighttime": "night",
    "moonlight": "night", "moonlit": "night", "starlight": "night", "starry": "night", "dark": "night",
}  # fmt: skip

PLACES: dict[str, Place] = {
    "hill": "hills", "valley": "hills", "countryside": "hills", "moor": "hills", "highland": "hills",
    "mountain": "mountains", "alp": "mountains", "peak": "mountains", "summit": "mountains",
    "canyon": "mountains", "cliff": "mountains", "glacier": "mountains", "volcano": "mountains",
    "sea": "sea", "ocean": "sea", "wave": "sea", "coast": "sea", "beach": "beach", "shore": "beach",
    "seaside": "beach", "forest": "forest", "wood": "forest", "woodland": "forest", "jungle": "forest",
    "pine": "forest", "taiga": "forest", "desert": "desert", "dune": "desert", "sahara": "desert",
    "oasis": "desert", "city": "city", "skyline": "city", "town": "city", "downtown": "city",
    "skyscraper": "city", "street": "city", "metropolis": "city", "lake": "lake", "pond": "lake",
    "reservoir": "lake", "fjord": "lake", "meadow": "meadow", "field": "meadow", "prairie": "meadow",
    "grassland": "meadow", "pasture": "meadow", "savanna": "meadow", "harbour": "harbour",
    "harbor": "harbour", "port": "harbour", "marina": "harbour", "pier": "harbour", "quay": "harbour",
    "river": "river", "stream": "river", "creek": "river", "space": "space", "galaxy": "space",
    "nebula": "space", "cosmos": "space", "universe": "space", "outer space": "space",
    "milky way": "space", "village": "village", "hamlet": "village", "garden": "garden",
    "orchard": "garden", "park": "garden", "waterfall": "waterfall", "cascade": "waterfall",
    "island": "island", "isle": "island", "lagoon": "island",
}  # fmt: skip

WEATHERS: dict[str, Weather] = {
    "clear": "clear", "cloudless": "clear", "cloud": "cloudy", "cloudy": "cloudy", "overcast": "cloudy",
    "rain": "rain", "rainy": "rain", "drizzle": "rain", "shower": "rain", "snow": "snow",
    "snowfall": "snow", "blizzard": "snow", "snowing": "snow", "snowstorm": "snow", "raining": "rain",
    "storm": "storm", "stormy": "storm", "thunder": "storm", "thunderstorm": "storm",
    "lightning": "storm", "fog": "fog", "foggy": "fog", "mist": "fog", "misty": "fog", "haze": "fog",
    "hazy": "fog", "wind": "wind", "windy": "wind", "breeze": "wind", "rainbow": "rainbow",
    "aurora": "aurora", "northern light": "aurora", "polar light": "aurora",
}  # fmt: skip

SEASONS: dict[str, Season] = {
    "spring": "spring", "blossom": "spring", "cherry blossom": "spring", "summer": "summer",
    "autumn": "autumn", "fall": "autumn", "autumnal": "autumn", "winter": "winter", "wintry": "winter",
    "frost": "winter", "ice": "winter", "icy": "winter", "frozen": "winter", "christmas": "winter",
    "snow": "winter", "snowy": "winter", "arctic": "winter", "snowing": "winter", "snowfall": "winter",
    "snowstorm": "winter", "blizzard": "winter", "polar": "winter",
}  # fmt: skip

MOODS: dict[str, Mood] = {
    "calm": "calm", "quiet": "calm", "peaceful": "calm", "serene": "calm", "gentle": "calm",
    "still": "calm", "dramatic": "dramatic", "epic": "dramatic", "wild": "dramatic", "moody": "dramatic",
    "bold": "dramatic", "warm": "warm", "cosy": "warm", "cozy": "warm", "happy": "warm",
    "cheerful": "warm", "cold": "cold", "lonely": "cold", "sad": "cold", "melancholy": "cold",
    "bleak": "cold", "dreamy": "dreamy", "soft": "dreamy", "magical": "dreamy", "pastel": "dreamy",
    "fairytale": "dreamy", "ethereal": "dreamy",
}  # fmt: skip

SUBJECTS: dict[str, Subject] = {
    "fox": "fox", "vixen": "fox", "cat": "cat", "kitten": "cat", "kitty": "cat", "dog": "dog",
    "puppy": "dog", "hound": "dog", "wolf": "wolf", "wolves": "wolf", "coyote": "wolf", "deer": "deer",
    "stag": "deer", "elk": "deer", "reindeer": "deer", "moose": "deer", "horse": "horse", "pony": "horse",
    "stallion": "horse", "mare": "horse", "bear": "bear", "rabbit": "rabbit", "hare": "rabbit",
    "bunny": "rabbit", "bird": "bird", "eagle": "bird", "hawk": "bird", "gull": "birds",
    "seagull": "birds", "swallow": "birds", "geese": "birds", "crane": "birds", "flock": "birds",
    "owl": "owl", "whale": "whale", "fish": "fish", "dolphin": "fish", "salmon": "fish", "boat": "boat",
    "sailboat": "boat", "ship": "boat", "yacht": "boat", "sail": "boat", "sailing boat": "boat",
    "lighthouse": "lighthouse", "house": "house", "cabin": "house", "cottage": "house", "hut": "house",
    "farmhouse": "house", "barn": "house", "home": "house", "castle": "castle", "fortress": "castle",
    "palace": "castle", "tree": "tree", "oak": "tree", "flower": "flowers", "poppy": "flowers",
    "poppies": "flowers", "tulip": "flowers", "rose": "flowers", "daisy": "flowers", "daisies": "flowers",
    "lavender": "flowers", "sunflower": "flowers", "wildflower": "flowers", "person": "person",
    "people": "person", "man": "person", "woman": "person", "girl": "person", "boy": "person",
    "child": "person", "wanderer": "person", "hiker": "person", "traveller": "person",
    "traveler": "person", "figure": "person", "balloon": "balloon", "hot air balloon": "balloon",
    "bridge": "bridge", "viaduct": "bridge", "train": "train", "railway": "train", "locomotive": "train",
    "rocket": "rocket", "spaceship": "rocket", "spacecraft": "rocket", "moon": "moon",
    "full moon": "moon", "sun": "sun", "star": "star", "shooting star": "star", "comet": "star",
    "planet": "planet", "saturn": "planet",
}  # fmt: skip

COLOURS: dict[str, str] = {
    "red": "#d8412f", "crimson": "#b3202f", "scarlet": "#d6321f", "orange": "#ee8434", "amber": "#f0a531",
    "gold": "#e9b43c", "golden": "#e9b43c", "yellow": "#f2c94c", "lime": "#a4c639", "green": "#4f9d58",
    "emerald": "#2f9e6e", "olive": "#8a8b3f", "mint": "#98d8b8", "teal": "#2b8c8c",
    "turquoise": "#3fb8b0", "cyan": "#45bcd0", "azure": "#4a9be0", "blue": "#3f74c9", "navy": "#25376f",
    "indigo": "#4b4aa5", "purple": "#7b4fa8", "violet": "#7d55c7", "lavender": "#a995d6",
    "lilac": "#b79bd2", "magenta": "#b93f92", "pink": "#e889a8", "rose": "#dd6f86", "peach": "#f5b08e",
    "coral": "#ef7a65", "brown": "#80573d", "copper": "#b06a3f", "grey": "#8a8d94", "gray": "#8a8d94",
    "silver": "#b6bcc6", "black": "#26242c", "white": "#f1eee8", "ivory": "#efe7d3",
}  # fmt: skip

FLOWERS: dict[str, str] = {
    "poppy": "#dc4433", "poppies": "#dc4433", "tulip": "#e0708a", "rose": "#d4506a", "daisy": "#f4efe6",
    "daisies": "#f4efe6", "lavender": "#a184d0", "sunflower": "#f0b93a",
}  # fmt: skip
"""The colour of a flower that is named by its kind."""

NEGATIONS = frozenset({"no", "without", "not", "never"})

HOURS: dict[Time, str] = {
    "dawn": "at dawn",
    "day": "by day",
    "golden": "in the golden hour",
    "sunset": "at sunset",
    "dusk": "at dusk",
    "night": "at night",
}
ONE_OF: frozenset[Place] = frozenset(
    {
        "beach",
        "forest",
        "desert",
        "city",
        "lake",
        "meadow",
        "harbour",
        "river",
        "village",
        "garden",
        "waterfall",
    }
)
"""Places that are one of many, when a picture is described."""
SKIES: dict[Weather, str] = {
    "cloudy": "clouds",
    "rain": "rain",
    "snow": "snow",
    "storm": "a storm",
    "fog": "mist",
    "wind": "wind",
    "rainbow": "a rainbow",
    "aurora": "an aurora",
}
PLURALS = {
    "fox": "foxes",
    "wolf": "wolves",
    "person": "people",
    "fish": "several fish",
    "deer": "several deer",
}
SINGLE = frozenset({"tree", "bridge", "train", "sun", "moon", "star", "planet", "owl", "flowers", "birds"})
"""Subjects that are painted once, however many were asked for."""
