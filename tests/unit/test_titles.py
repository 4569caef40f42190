"""A thread's title."""

from __future__ import annotations

import asyncio

import pytest

from chat.agent import titles
from tests.fakes.agents import ScriptedModel


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("A red fox at sunset", "A red fox at sunset"),
        ('"A red fox at sunset."', "A red fox at sunset"),
        ("**Title: A red fox**", "A red fox"),
        ("\n\n# A   red\tfox\nand more", "A red fox"),
        ("Füchse „bei Nacht“?", "Füchse „bei Nacht“?"),
        ("", ""),
        ("x" * 100, "x" * 59 + "…"),
        ("word " * 30, "word " * 10 + "word…"),
    ],
)
def test_a_title_is_one_short_plain_line(said: str, title: str) -> None:
    cleaned = titles.clean(said)
    assert cleaned == title
    assert len(cleaned) <= titles.LONGEST


async def test_the_model_is_shown_the_turn_and_its_answer_is_the_title() -> None:
    model = ScriptedModel(script=lambda messages: ['"A red', ' fox"'])
    assert await titles.title(model, "paint a red fox", "Here it is.") == "A red fox"
    shown = "\n".join(message.text for message in model.read[-1])
    assert "title" in shown
    assert "paint a red fox" in shown
    assert "Here it is." in shown


async def test_without_a_model_s_title_the_person_s_own_words_are_it() -> None:
    failing = ScriptedModel(script=lambda messages: [ConnectionError("down")])
    silent = ScriptedModel(script=lambda messages: ["  "])
    stuck = ScriptedModel(script=lambda messages: [asyncio.Event().wait()])
    assert await titles.title(failing, "paint a fox", "") == "paint a fox"
    assert await titles.title(silent, "paint a fox", "") == "paint a fox"
    assert await titles.title(stuck, "paint a fox", "", deadline_seconds=0.05) == "paint a fox"
    assert titles.plain("...") == "New thread"
