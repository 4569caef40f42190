"""The accent of a picture: its hue, moved until it can be read."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chat.agent.painter import accent as module
from chat.agent.painter.accent import accent
from chat.agent.painter.colour import Floats, contrast, from_oklch, rgb, to_oklch
from chat.agent.painter.local import read, studio
from chat.agent.painter.local.canvas import Canvas

WHITE = np.ones(3)


def plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (60, 40), colour)


def parsed(css: str) -> tuple[float, float, float]:
    match = re.fullmatch(r"oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)", css)
    assert match
    return float(match[1]), float(match[2]), float(match[3])


def shown(css: str) -> Floats:
    return from_oklch(*parsed(css))


def apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
def test_any_colour_becomes_an_accent_that_can_be_read(colour: tuple[int, int, int]) -> None:
    made = accent(plain(colour))
    assert contrast(shown(made["light"]), WHITE) >= 4.5
    assert contrast(shown(made["light"]), module.LIGHT_SHEET) >= 4.5
    assert contrast(shown(made["dark"]), module.DARK_SHEET) >= 4.5


@pytest.mark.parametrize("code", ["#d8412f", "#2b8c8c", "#7b4fa8", "#4f9d58", "#3f74c9"])
def test_the_hue_stays(code: str) -> None:
    colour = rgb(code)
    made = accent(plain(tuple((colour * 255).astype(int).tolist())))
    for css in made.values():
        assert apart(parsed(css)[2], to_oklch(colour)[2]) < 6


def test_the_colourful_part_speaks_for_a_grey_picture() -> None:
    image = plain((128, 128, 128))
    image.paste((20, 90, 220), (0, 0, 12, 40))
    assert apart(parsed(accent(image)["light"])[2], to_oklch(rgb("#145adc"))[2]) < 8


def test_a_grey_picture_gives_a_quiet_accent() -> None:
    assert parsed(accent(plain((90, 90, 90)))["light"])[1] < 0.04


def test_a_sunset_is_warm() -> None:
    canvas = Canvas((192, 128))
    for _, work in studio.stages(canvas, read("hills at sunset", 1)):
        work()
    hue = parsed(accent(canvas.image())["light"])[2]
    assert hue < 90 or hue > 320
