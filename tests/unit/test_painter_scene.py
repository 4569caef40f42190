"""A prompt's words become a scene: what was asked for is in it, what was not is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.agent.painter.local import describe, read, words


def test_a_red_fox_at_sunset_is_a_red_fox_at_sunset() -> None:
    scene = read("Paint a red fox at sunset", 1)
    assert scene.time == "sunset"
    assert [(actor.subject, actor.colour) for actor in scene.actors] == [("fox", words.COLOURS["red"])]
    assert scene.tints == ()
    assert describe(scene) == f"{scene.place.capitalize()} at sunset, with a red fox"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a quiet lake at dawn", {"time": "dawn", "place": "lake", "mood": "calm"}),
        ("a mountain lake", {"place": "lake"}),
        ("dunes in the golden hour", {"time": "golden", "place": "desert", "tints": ()}),
        ("northern lights over snowy mountains", {"time": "night", "place": "mountains", "season": "winter"}),
        ("purple mist over the hills", {"place": "hills", "tints": (words.COLOURS["purple"],)}),
        ("a whale", {"place": "sea"}),
        ("a boat in the mountains", {"place": "lake"}),
    ],
)
def test_the_words_decide(prompt: str, expected: dict[str, object]) -> None:
    scene = read(prompt, 7)
    assert {name: getattr(scene, name) for name in expected} == expected


def test_a_colour_belongs_to_the_subject_after_it() -> None:
    scene = read("a black cat and a white horse under a teal sky", 1)
    assert {actor.subject: actor.colour for actor in scene.actors} == {
        "cat": words.COLOURS["black"],
        "horse": words.COLOURS["white"],
    }
    assert scene.tints == (words.COLOURS["teal"],)


def test_plurals_are_read_and_remembered() -> None:
    foxes, fox = read("foxes on a hill", 1).actors[0], read("a fox on a hill", 1).actors[0]
    assert (foxes.subject, foxes.many, fox.many) == ("fox", True, False)
    assert describe(read("red foxes at sunset", 1)).endswith(", with red foxes")


def test_what_is_denied_is_not_painted() -> None:
    scene = read("a beach without people, no rain", 1)
    assert scene.actors == ()
    assert not scene.weather


def test_an_unknown_subject_gives_a_landscape_that_claims_nothing() -> None:
    scene = read("the theory of relativity", 1)
    assert scene.actors == ()
    assert "relativity" not in describe(scene).lower()


def test_the_seed_moves_what_the_words_leave_open_and_nothing_else() -> None:
    scenes = [read("a fox at sunset", seed) for seed in range(12)]
    assert {scene.time for scene in scenes} == {"sunset"}
    assert len({scene.place for scene in scenes}) > 1
    assert len({scene.key for scene in scenes}) == 12


@given(st.text(max_size=300), st.integers(0, 2**31))
def test_any_text_is_a_scene_and_the_same_text_the_same_scene(prompt: str, seed: int) -> None:
    assert read(prompt, seed) == read(prompt, seed)
    assert describe(read(prompt, seed))
