"""Without a mouse, without eyes, without motion: the page works for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site

if TYPE_CHECKING:
    from tests.browser.pages import Tab

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# Measured over real pictures in test_contrast.py; axe cannot see through a sheet.
UNMEASURED = {"rules": {"color-contrast": {"enabled": False}}}

RICH = """# Heading\n\nWords with a [link](https://docs.example.org/) and `code`.

| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\n- [x] done\n"""


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_axe_finds_nothing(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice, phone: bool
) -> None:
    openai.script({"text": RICH, "when": "everything"})
    ada = await fake_site.person()
    browser = await device(fake_site, ada, phone=phone)
    await browser.context.add_init_script(path=AXE)
    tab = await browser.open()
    await _passes(tab, "a new thread")
    await tab.hear("everything")
    await tab.hear("paint a lake")
    await expect(tab.cards.locator(".done")).to_have_count(1)
    await _passes(tab, "a thread")
    await tab.page.locator("[data-popover=backdrop-panel]").click()
    await _passes(tab, "the backdrop's panel")
    await tab.page.keyboard.press("Escape")
    await tab.cards.locator(".frame").click()
    await _passes(tab, "a picture")
    await tab.page.keyboard.press("Escape")
    if phone:
        await tab.page.get_by_role("button", name="Threads").click()
        await _passes(tab, "the drawer")
    for path in ("/images/", "/account/"):
        await _passes(await browser.new_tab(path), path)
    stranger = await device(fake_site, None, phone=phone)
    await stranger.context.add_init_script(path=AXE)
    for path in ("/login/", "/signup/"):
        await _passes(await stranger.new_tab(path), path)


async def test_all_of_it_works_with_the_keyboard_alone(site: Site, ada: Person, device: OpenDevice) -> None:
    await ada.thread(title="Earlier")
    tab = await (await device(site, ada)).open()
    page = tab.page
    await page.reload()
    await page.locator("body").press("Tab")
    order = await _tab_order(tab, 30)
    for name in (
        "Message",
        "Attach pictures",
        "New thread",
        "Search threads",
        "Gallery",
        "Paint a red fox at sunset",
    ):
        assert any(name in one for one in order), (name, order)
    # The first stop leads past the sidebar.
    await page.evaluate("() => { document.activeElement.blur(); document.body.focus() }")
    skip = page.get_by_role("link", name="Skip to the content")
    await skip.focus()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await tab.field.focus()
    await page.keyboard.type("count to 2000")
    await page.keyboard.press("Enter")
    await tab.writes()
    await expect(tab.field).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(tab.stop).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(tab.answer).to_have_attribute("data-status", "stopped")
    await expect(tab.field).to_be_focused()  # what had the focus has gone
    await page.keyboard.press("Control+k")
    await page.keyboard.type("Earlier")
    await expect(page.locator("thread-list .item")).to_have_count(1)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(tab.title).to_have_text("Earlier")
    await expect(tab.field).to_be_focused()
    options = page.get_by_role("button", name="Options of Earlier")
    await options.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(options).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(tab.dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(tab.dialog).to_have_count(0)
    await expect(options).to_be_focused()


async def test_answers_and_pictures_are_announced_once_and_not_word_by_word(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    tab = await (await device(site, ada)).open()
    await tab.page.evaluate(
        """() => {
          window.said = [];
          const region = document.getElementById("announcer");
          new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true });
        }"""
    )
    await tab.hear("say: good morning")
    await tab.hear("paint a lake")
    said = await tab.page.evaluate("() => window.said")
    assert said[0] == "Backdrop: good morning"
    assert said[1] == "Picture ready: a lake"
    assert said[2].startswith("Backdrop: ")
    assert len(said) == 3
    await expect(tab.page.get_by_role("log", name="Messages")).to_have_attribute("aria-live", "off")


async def test_who_wants_no_motion_gets_none(site: Site, ada: Person, device: OpenDevice) -> None:
    tab = await (await device(site, ada, reduced_motion="reduce")).open()
    await tab.page.evaluate(
        """() => {
          window.moved = 0;
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (frames, options) {
            window.moved = Math.max(window.moved, options.duration);
            return animate.call(this, frames, options);
          };
        }"""
    )
    await tab.hear("paint a lake")
    await tab.has_background()
    assert await tab.page.evaluate("() => window.moved") == 0
    durations = await tab.page.evaluate(
        "() => [...document.querySelectorAll('*')].flatMap((one) => { const style = getComputedStyle(one);"
        " return [style.transitionDuration, style.animationDuration] })"
    )
    assert {duration for value in durations for duration in value.split(", ")} <= {"0s", "0.001s", "auto"}


async def _passes(tab: Tab, what: str) -> None:
    await tab.page.wait_for_load_state("networkidle")
    await tab.is_still()
    found: dict[str, Any] = await tab.page.evaluate("(options) => axe.run(document, options)", UNMEASURED)
    assert [
        (one["id"], one["help"], [node["html"] for node in one["nodes"]]) for one in found["violations"]
    ] == [], what


async def _tab_order(tab: Tab, stops: int) -> list[str]:
    """What is focused, stop by stop, as somebody who listens knows it."""
    order = []
    for _ in range(stops):
        order.append(
            await tab.page.evaluate(
                "() => { const one = document.activeElement;"
                " return one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent }"
            )
        )
        await tab.page.keyboard.press("Tab")
    return order
