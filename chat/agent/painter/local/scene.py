"""A prompt's words as a scene: what to paint, before anything is painted. Pure; the same prompt and seed,
the same scene.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from chat.agent.painter.local import words

if TYPE_CHECKING:
    from chat.agent.painter.local.words import Mood, Place, Season, Subject, Time, Weather

MAX_ACTORS = 4
WATERS: frozenset[Place] = frozenset({"sea", "beach", "lake", "harbour", "river", "waterfall", "island"})
PLACE_OF: dict[Subject, Place] = {
    "whale": "sea", "fish": "sea", "boat": "sea", "lighthouse": "sea", "rocket": "hills", "planet": "space",
    "flowers": "meadow", "castle": "hills", "mountain": "mountains", "bridge": "river", "bear": "forest",
    "deer": "forest", "wolf": "forest", "owl": "forest",
}  # fmt: skip
ANYWHERE: tuple[Place, ...] = ("hills", "hills", "mountains", "lake", "meadow")
T = TypeVar("T")


@dataclass(frozen=True)
class Actor:
    """Something named in the prompt, with the colour named for it."""

    subject: Subject
    colour: str | None = None
    many: bool = False


@dataclass(frozen=True)
class Scene:
    time: Time
    place: Place
    weather: frozenset[Weather]
    season: Season | None
    mood: Mood | None
    actors: tuple[Actor, ...]
    tints: tuple[str, ...]
    """Colours named for no subject, as #rrggbb, for the whole picture."""
    side: Literal[-1, 1]
    """-1: the subject stands to the left and the light to the right; 1: the reverse."""
    key: int
    """What every stroke's chance is drawn from."""

    @property
    def water(self) -> bool:
        return self.place in WATERS

    @property
    def snowy(self) -> bool:
        return self.season == "winter" or "snow" in self.weather

    @property
    def starry(self) -> bool:
        dark = self.time in ("night", "dusk") and not self.weather & {
            "rain",
            "storm",
            "snow",
            "fog",
            "cloudy",
        }
        return dark or self.place == "space"

    def has(self, subject: Subject) -> bool:
        return any(actor.subject == subject for actor in self.actors)

    def rng(self, name: str) -> np.random.Generator:
        """Chance for one part of the picture: what another part draws does not move it."""
        return np.random.default_rng([self.key, int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])])


def read(prompt: str, seed: int) -> Scene:
    tokens = [_singular(token) for token in re.findall(r"[^\W\d_]+", prompt.lower())]
    plural = {
        index for index, token in enumerate(re.findall(r"[^\W\d_]+", prompt.lower())) if token.endswith("s")
    }
    key = int.from_bytes(hashlib.sha256(f"{seed}\n{' '.join(prompt.lower().split())}".encode()).digest()[:8])
    chance = np.random.default_rng(key)

    actors, bound = _actors(tokens, plural)
    subjects = [actor.subject for actor in actors]
    weather = frozenset(name for _, name in _find(tokens, words.WEATHERS))
    season = _first(tokens, words.SEASONS)
    time = _first(tokens, words.TIMES)
    places = [place for _, place in _find(tokens, words.PLACES)]
    if time is None:
        time = _time_of(subjects, weather, season, places[0] if places else None, chance)
    place = _place_of(places, subjects, chance)
    tables: tuple[dict[str, str], ...] = (dict(words.TIMES), dict(words.PLACES), dict(words.WEATHERS))
    for table in tables:  # the golden of "golden hour" is no colour
        bound |= {
            at - 1 for at, _ in _find(tokens, table) if at and f"{tokens[at - 1]} {tokens[at]}" in table
        }
    tints = tuple(dict.fromkeys(colour for at, colour in _find(tokens, words.COLOURS) if at not in bound))
    return Scene(
        time=time,
        place=place,
        weather=weather,
        season=season,
        mood=_first(tokens, words.MOODS),
        actors=actors,
        tints=tints[:2],
        side=-1 if chance.random() < 0.7 else 1,
        key=key,
    )


def describe(scene: Scene) -> str:
    """What the picture shows, in words: only what was really painted."""
    names = {value: name for name, value in reversed(words.COLOURS.items())}
    shown = [words.SKIES[name] for name in sorted(scene.weather) if name in words.SKIES]
    for actor in scene.actors:
        if actor.subject == "mountain" or (actor.subject == "star" and not scene.starry):
            continue
        colour = f"{names[actor.colour]} " if actor.colour in names else ""
        noun = str(actor.subject)
        if actor.many and noun not in words.SINGLE:
            noun = words.PLURALS.get(noun, f"{noun}s")
        several = noun != actor.subject or noun in ("flowers", "birds")
        article = "" if several else "the " if noun in ("sun", "moon") else "a "
        if article == "a " and (colour or noun)[0] in "aeiou":
            article = "an "
        shown.append(f"{article}{colour}{noun}")
    place = f"a {scene.place}" if scene.place in words.ONE_OF else scene.place
    text = place if scene.place == "space" else f"{place} {words.HOURS[scene.time]}"
    return (text + (", with " + ", ".join(shown) if shown else "")).capitalize()


def _actors(tokens: list[str], plural: set[int]) -> tuple[tuple[Actor, ...], set[int]]:
    """The subjects in the order of the words, and where the colour words stand that belong to one."""
    found: dict[Subject, Actor] = {}
    bound: set[int] = set()
    for at, subject in _find(tokens, words.SUBJECTS):
        colour = None
        for before in range(at - 1, max(at - 4, -1), -1):
            if tokens[before] in words.COLOURS and before not in bound:
                colour = words.COLOURS[tokens[before]]
                bound.add(before)
                break
            if tokens[before] in words.SUBJECTS or tokens[before] in (
                "a",
                "an",
                "the",
                "and",
                "with",
                "in",
                "at",
            ):
                break
        if tokens[at] in words.COLOURS:  # lavender and rose are flowers first
            bound.add(at)
        colour = colour or words.FLOWERS.get(tokens[at])
        many = at in plural
        if subject == "bird" and many:
            subject = "birds"
        found.setdefault(subject, Actor(subject, colour, many))
    return tuple(list(found.values())[:MAX_ACTORS]), bound


def _find(tokens: list[str], table: dict[str, T]) -> list[tuple[int, T]]:
    """Where the table's phrases stand, longest first at each place; what is denied is not there."""
    found: list[tuple[int, T]] = []
    at = 0
    while at < len(tokens):
        for length in (3, 2, 1):
            name = " ".join(tokens[at : at + length])
            if (
                at + length <= len(tokens)
                and name in table
                and not words.NEGATIONS.intersection(tokens[max(at - 2, 0) : at])
            ):
                found.append((at + length - 1, table[name]))
                at += length - 1
                break
        at += 1
    return found


def _first(tokens: list[str], table: dict[str, T]) -> T | None:
    found = _find(tokens, table)
    return found[0][1] if found else None


def _time_of(
    subjects: list[Subject],
    weather: frozenset[Weather],
    season: Season | None,
    place: Place | None,
    chance: np.random.Generator,
) -> Time:
    if (
        "aurora" in weather
        or place == "space"
        or any(subject in ("moon", "star", "owl") for subject in subjects)
    ):
        return "night"
    if weather & {"rain", "snow", "storm", "fog", "rainbow"}:
        return _pick(chance, ("day", "dawn"))
    if any(subject in ("rocket", "lighthouse") for subject in subjects):
        return "dusk"
    colourful = season in ("spring", "summer", "autumn") or place in ("meadow", "garden", "waterfall")
    if colourful or "flowers" in subjects:
        return _pick(chance, ("day", "golden", "dawn"))
    return _pick(chance, ("sunset", "golden", "dawn", "day", "dusk"))


def _place_of(places: list[Place], subjects: list[Subject], chance: np.random.Generator) -> Place:
    fitting = [PLACE_OF[subject] for subject in subjects if subject in PLACE_OF]
    place = (places or fitting or [_pick(chance, ANYWHERE)])[0]
    if place in ("hills", "mountains"):  # a mountain lake is a lake
        place = next((other for other in places if other in WATERS), place)
    if place not in WATERS and any(subject in ("whale", "fish", "boat") for subject in subjects):
        return "lake" if place in ("mountains", "forest", "hills", "meadow") else "sea"
    return place


def _pick(chance: np.random.Generator, options: tuple[T, ...]) -> T:
    return options[int(chance.integers(len(options)))]


KEPT = frozenset(words.COLOURS) | {
    "canvas",
    "grass",
    "christmas",
    "cosmos",
    "downtown",
    "wolves",
    "poppies",
    "daisies",
}


def _singular(token: str) -> str:
    if token in KEPT or len(token) < 4 or not token.endswith("s") or token.endswith("ss"):
        return token
    if token.endswith(("ches", "shes", "xes", "sses")):
        return token[:-2]
    if token.endswith("ies"):
        return token[:-3] + "y"
    return token[:-1]
