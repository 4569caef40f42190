"""The look's promise, measured in the browser: text can be read on its sheet over any picture, in both themes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.site import Site

if TYPE_CHECKING:
    from tests.browser.pages import Tab

BODY, SMALL = 7.0, 4.5
TEXTS = {
    ".prose p": BODY,
    ".bubble": SMALL,
    ".prose code": SMALL,
    ".acts button": SMALL,
    ".tool b": BODY,
    ".tool small": SMALL,
    ".tool time": SMALL,
    ".tool .actions button": SMALL,
    ".bar .title": BODY,
    "thread-list .item a": BODY,
    "thread-list .day": SMALL,
    ".rail .pages a": BODY,
    ".model": SMALL,
    ".hint span": SMALL,
    "textarea": SMALL,  # its placeholder
}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_text_can_be_read_over_white_black_and_a_busy_picture(
    site: Site, ada: Person, device: OpenDevice, theme: str
) -> None:
    tab = await (await device(site, ada, color_scheme=theme)).open()
    await tab.hear("paint a red fox at sunset")
    await tab.has_background()
    await tab.hear("say: Words with `code` in them.")
    await tab.is_still()
    texts = await tab.page.evaluate(_TEXTS, list(TEXTS))
    assert {text["selector"] for text in texts} == set(TEXTS)
    await tab.page.evaluate(_WITHOUT_LETTERS)
    for picture in ("the fox", "white", "black", "noise"):
        if picture != "the fox":
            await _hang(tab, picture)
        shot = Image.open(io.BytesIO(await tab.page.screenshot())).convert("RGB")
        ratios = {text["selector"]: _contrast(text, shot) for text in texts}
        weak = {selector: round(ratio, 2) for selector, ratio in ratios.items() if ratio < TEXTS[selector]}
        assert weak == {}, picture


# The last visible text of each kind: its colour, and where it stands.
_TEXTS = """(selectors) => selectors.flatMap((selector) => {
  const isSeen = (one) => {
    const box = one.getBoundingClientRect();
    return box.width && document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2).includes(one);
  };
  const element = [...document.querySelectorAll(selector)].findLast(isSeen);
  if (!element) return [];
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = getComputedStyle(element, element.localName === "textarea" ? "::placeholder" : null).color;
  context.fillRect(0, 0, 1, 1);
  const { left, top, right, bottom } = element.getBoundingClientRect();
  return [{ selector, ink: [...context.getImageData(0, 0, 1, 1).data].slice(0, 3), box: [left, top, right, bottom] }];
})"""

# Only the letters go: their ground, which may be the element's own, stays.
_WITHOUT_LETTERS = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`*, ::before, ::after, ::placeholder { transition: none !important;
    color: transparent !important; caret-color: transparent !important } svg, kbd { opacity: 0 }`);
  document.adoptedStyleSheets = [sheet];
}"""


async def _hang(tab: Tab, picture: str) -> None:
    """Put another picture behind the page."""
    await tab.page.evaluate(
        """async (picture) => {
          const canvas = Object.assign(document.createElement("canvas"), { width: innerWidth, height: innerHeight });
          const context = canvas.getContext("2d");
          context.fillStyle = picture;
          context.fillRect(0, 0, innerWidth, innerHeight);
          for (let at = 0; picture === "noise" && at < 4000; at += 1) {
            context.fillStyle = `hsl(${at * 47} 100% ${(at * 31) % 100}%)`;
            context.fillRect((at * 89) % innerWidth, (at * 57) % innerHeight, 8 + (at % 160), 8 + (at % 90));
          }
          const image = new Image();
          image.src = canvas.toDataURL();
          await image.decode();
          document.querySelector("chat-room > i").replaceChildren(image);
        }""",
        picture,
    )


def _contrast(text: dict[str, Any], shot: Image.Image) -> float:
    """The lowest contrast of a text's colour with what is seen behind it."""
    left, top, right, bottom = (round(edge) for edge in text["box"])
    ground = shot.crop((left + 5, top + 3, right - 5, bottom - 3))
    pixels = ground.width * ground.height
    colours = cast("list[tuple[int, tuple[int, int, int]]]", ground.getcolors(pixels))
    # What is rarer is the edge of a corner.
    return min(_ratio(text["ink"], colour) for count, colour in colours if count > pixels * 0.001)


def _ratio(one: tuple[int, ...] | list[int], other: tuple[int, ...]) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[int, ...] | list[int]) -> float:
    """Relative luminance, of WCAG 2.2."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (c / 255 for c in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
