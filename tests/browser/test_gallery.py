"""The gallery: a picture is opened, deleted after a question, and is gone everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.browser.pages import Tab
from tests.client import Person
from tests.fakes.replies import png
from tests.site import Site

if TYPE_CHECKING:
    from playwright.async_api import Locator

PAGE = 40


async def upload(ada: Person, name: str) -> None:
    files = {"file": (f"{name}.png", png(12, 9, (200, 30, 30)), "image/png")}
    assert (await ada.http.post("/images", files=files)).status_code == 201


def tiles(tab: Tab) -> Locator:
    return tab.page.locator("picture-gallery .tile")


async def test_a_picture_is_deleted_after_a_question_by_mouse_or_keys(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    for name in ("first", "second", "third"):
        await upload(ada, name)
    for phone in (False, True):
        browser = await device(site, ada, phone=phone)
        tab = await browser.new_tab("/images/")
        left = 2 if phone else 3
        await expect(tiles(tab)).to_have_count(left)
        await tiles(tab).first.click()
        await tab.dialog.get_by_role("button", name="Delete").click()
        await expect(tab.dialog).to_contain_text("Delete this picture?")
        await expect(tab.dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await tab.page.keyboard.press("Enter")
        await expect(tab.dialog).to_have_count(0)
        await expect(tiles(tab)).to_have_count(left)
        assert len((await ada.http.get("/images")).json()["images"]) == left

        await tiles(tab).first.focus()
        await tab.page.keyboard.press("Enter")
        await tab.dialog.get_by_role("button", name="Delete").press("Enter")
        await tab.dialog.get_by_role("button", name="Delete").press("Enter")
        await expect(tiles(tab)).to_have_count(left - 1)
        assert len((await ada.http.get("/images")).json()["images"]) == left - 1
        assert await tab.page.evaluate(
            "() => document.activeElement !== document.body"
        )  # the focus is not lost
        await tab.page.reload()
        await expect(tiles(tab)).to_have_count(left - 1)


async def test_older_pictures_come_although_the_last_shown_was_deleted_elsewhere(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    for number in range(PAGE + 3):
        await upload(ada, str(number))
    browser = await device(site, ada)
    tab = await browser.new_tab("/images/")
    await expect(tiles(tab)).to_have_count(PAGE)
    shown = (await ada.http.get("/images", params={"limit": PAGE})).json()["images"]
    assert (await ada.http.delete(f"/images/{shown[-1]['id']}")).status_code == 204
    await tiles(tab).last.scroll_into_view_if_needed()
    await expect(tiles(tab)).to_have_count(PAGE + 3)
    await tab.page.close()
    browser.forgive()  # its thumbnail was not to be had any more
