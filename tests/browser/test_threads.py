"""The list of threads: it lives in every tab, whichever one is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.site import Site

if TYPE_CHECKING:
    from playwright.async_api import Locator

    from tests.browser.pages import Tab


async def test_titles_and_running_marks_reach_the_other_tabs(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    other = await desk.open()
    asking = await desk.open()
    await asking.say("count to 400")
    running = other.page.locator("thread-list .item[data-state=running]")
    await expect(running).to_have_count(1)
    await expect(running).to_contain_text("answering")
    await asking.is_done()
    await expect(running).to_have_count(0)
    await expect(asking.title).not_to_have_text("New thread")  # it is made after the answer
    title = await asking.title.inner_text()
    unread = other.page.locator("thread-list .item[data-state=unread]")
    await expect(unread).to_contain_text(title)
    await unread.get_by_role("link").click()
    await expect(unread).to_have_count(0)
    await expect(other.page).to_have_title(f"{title} · Backdrop")
    assert await other.is_in_a_thread() == asking.thread_id
    await other.is_done()
    assert await other.shown() == await asking.shown()
    await other.page.go_back()
    await expect(other.page.get_by_role("heading", name="Hello")).to_be_visible()


async def test_a_thread_is_renamed_everywhere_and_deleted_after_a_question(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    thread_id = await ada.thread(title="Tiles for the kitchen")
    tab, other = await desk.open(thread_id), await desk.open()
    await _menu(tab, "Tiles for the kitchen", "Rename")
    field = tab.page.get_by_label("Title", exact=True)
    await expect(field).to_be_focused()
    await field.fill("Tiles for the bath")
    await field.press("Enter")
    await expect(other.item("Tiles for the bath")).to_be_visible()
    await expect(tab.title).to_have_text("Tiles for the bath")
    await tab.title.click()
    await tab.page.get_by_label("Title of this thread").fill("Tiles")
    await tab.page.keyboard.press("Enter")
    await expect(other.item("Tiles").get_by_role("link")).to_have_text("Tiles")
    await _menu(other, "Tiles", "Delete")
    await expect(other.dialog).to_contain_text("“Tiles” goes with its messages and pictures.")
    await other.dialog.get_by_role("button", name="Cancel").click()
    await expect(other.item("Tiles")).to_be_visible()
    await _menu(other, "Tiles", "Delete")
    await other.dialog.get_by_role("button", name="Delete").click()
    for one in (tab, other):
        await expect(one.item("Tiles")).to_have_count(0)
        await expect(one.page.get_by_role("heading", name="Hello")).to_be_visible()
    gone = await desk.new_tab(f"/threads/{thread_id}/")
    await expect(gone.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    desk.forgive()


async def test_search_finds_a_thread_by_its_title_and_by_what_was_said(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    said = await ada.thread(title="Monday")
    async with await ada.ready(said) as thread:
        await thread.hear("remember the word zeppelin")
    await ada.settled(said)
    await ada.thread(title="A zebra crossing")
    tab = await (await device(site, ada)).open()
    await tab.page.keyboard.press("Control+k")
    await expect(tab.page.get_by_label("Search threads")).to_be_focused()
    await tab.page.keyboard.type("zeppelin")
    items = tab.page.locator("thread-list .item")
    await expect(items).to_have_text(["Monday"])
    await tab.page.get_by_label("Search threads").fill("zebra")
    await expect(items).to_have_text(["A zebra crossing"])
    await tab.page.get_by_label("Search threads").fill("nothing like it")
    await expect(tab.page.get_by_text("Nothing found.")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(items).to_have_count(2)


async def test_older_messages_come_when_scrolled_to_and_reading_is_not_disturbed(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    thread_id = await ada.thread(title="Long")
    async with await ada.ready(thread_id) as thread:
        for number in range(1, 46):
            await thread.hear(f"say: line {number}")
    tab = await (await device(site, ada)).open(thread_id)
    scroller = tab.page.locator("thread-view .scroller")
    await expect(tab.questions.last).to_be_in_viewport()
    assert await tab.questions.count() < 45
    first = tab.page.get_by_text("say: line 1", exact=True)
    while await first.count() == 0:
        before = await tab.questions.count()
        await scroller.evaluate("(box) => { box.scrollTop = 0 }")
        await expect(tab.questions.nth(before)).to_be_attached()
    await expect(tab.questions).to_have_count(45)
    assert await _numbers(tab.questions) == list(range(1, 46))
    assert await _numbers(tab.answers) == list(range(1, 46))
    # Somebody who reads above stays there while an answer comes, and has a way back.
    await scroller.evaluate("(box) => { box.scrollTop = 0 }")
    await expect(tab.newest).to_be_visible()
    async with await ada.ready(thread_id) as thread:
        await thread.hear("say: line 46")
    await expect(tab.answers).to_have_count(46)
    await expect(first).to_be_in_viewport()
    await tab.newest.click()
    await expect(tab.answer).to_be_in_viewport()
    await expect(tab.newest).to_be_hidden()


async def test_signing_out_ends_the_other_tabs_too(site: Site, ada: Person, device: OpenDevice) -> None:
    desk = await device(site, ada)
    thread_id = await ada.thread(title="Mine")
    other = await desk.open(thread_id)
    account = await desk.new_tab("/account/")
    await account.page.get_by_role("button", name="Sign out").click()
    await other.page.wait_for_url(f"**/login/?next=*{thread_id}*")
    stranger = await device(site, await site.person())
    foreign = await stranger.new_tab(f"/threads/{thread_id}/")
    await expect(foreign.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    stranger.forgive()


async def _menu(tab: Tab, title: str, choice: str) -> None:
    await tab.item(title).hover()
    await tab.page.get_by_role("button", name=f"Options of {title}").click()
    await tab.page.get_by_role("menuitem", name=choice).click()


async def _numbers(messages: Locator) -> list[int]:
    return [int("".join(filter(str.isdigit, text))) for text in await messages.all_inner_texts()]
