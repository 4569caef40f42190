"""The CSS that a model may put into the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.agent.tools import css


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Navy", "navy"),
        ("#FFF", "#fff"),
        (" #102a43cc ", "#102a43cc"),
        ("rgb( 1,2 ,3 )", "rgb(1, 2, 3)"),
        ("rgb(1 2 3 / 50%)", "rgb(1 2 3 / 50%)"),
        ("hsl(220, 50%, 40%)", "hsl(220, 50%, 40%)"),
        ("oklch(62% .19 260deg)", "oklch(62% .19 260deg)"),
        ("lab(50% -20 30 / 0.5)", "lab(50% -20 30 / 0.5)"),
    ],
)
def test_colours(written: str, canonical: str) -> None:
    assert css.color(written) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "linear-gradient(to right, teal, navy)",
        "linear-gradient(160deg, #0f766e 0%, #1e3a8a 80%)",
        "linear-gradient(red, 30%, blue)",
        "linear-gradient(45deg in oklch longer hue, red, blue)",
        "radial-gradient(circle at top left, rgb(1, 2, 3) 10% 20%, oklch(50% 0.1 20))",
        "radial-gradient(ellipse farthest-corner at 20% 30%, red, blue)",
        "conic-gradient(from 45deg at 50% 50%, red, blue 0.5turn, red)",
        "repeating-linear-gradient(45deg, red 0 10px, blue 10px 20px)",
    ],
)
def test_gradients(written: str) -> None:
    assert css.gradient(written) == written
    assert css.gradient(written.upper().replace(", ", "\n ,")) == written


HOSTILE = [
    "", "url(x)", "red;", "red}", "rgb(1,2,3,4,5)", "rgb(calc(1),2,3)", "var(--x)", "r\\65 d", "expression(1)", "#12",
    "rgb(١,2,3)", "red/**/", "image-set('x')", "rgb(1 2 3)" + " " * 600, "'red'", "red !important", "rgb(1e99, 2, 3)",
]  # fmt: skip


@pytest.mark.parametrize("written", [*HOSTILE, "linear-gradient(red, blue)"])
def test_what_is_no_colour(written: str) -> None:
    with pytest.raises(ValueError, match="is not a colour"):
        css.color(written)


@pytest.mark.parametrize(
    "written",
    [
        *(f"linear-gradient({part}, blue)" for part in HOSTILE),
        "navy",
        "linear-gradient(red)",
        "linear-gradient(red, blue",
        "linear-gradient(red, blue))",
        "linear-gradient(red, blue); x: y",
        "linear-gradient(red, blue), url(//example.org)",
        "linear-gradient(red, blue), linear-gradient(red, blue)",
        "linear-gradient(red, 20%, 30%, blue)",
        "linear-gradient(20%, red, blue)",
        "linear-gradient(from 45deg, red, blue)",
        "linear-gradient(red url(x), blue)",
        f"linear-gradient({', '.join(['red'] * 17)})",
    ],
)
def test_what_is_no_gradient(written: str) -> None:
    with pytest.raises(ValueError, match="is not a gradient"):
        css.gradient(written)


PIECES = [
    "linear-gradient(",
    "radial-gradient(",
    "(",
    ")",
    ",",
    " ",
    "red",
    "#fff",
    "45deg",
    "50%",
    "url(",
    ";",
    "}",
    "'",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_nothing_that_passes_can_leave_its_place(written: str) -> None:
    try:
        value = css.gradient(written)
    except ValueError:
        return
    assert not set(value) & set(";{}\"'\\@<>&:")
    assert "url" not in value
    assert value.count("(") == value.count(")")
