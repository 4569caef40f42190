"""Writing a message, and what becomes of it: drafts, pictures, the queue, failures, lost connections."""

from __future__ import annotations

import asyncio

from playwright.async_api import FilePayload, Route, expect

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.replies import png
from tests.site import Site


async def test_enter_sends_shift_enter_does_not_and_a_draft_survives_a_reload(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    await expect(tab.send).to_be_disabled()
    await tab.field.press_sequentially("say: one")
    await tab.field.press("Shift+Enter")
    await tab.field.press_sequentially("two")
    await tab.page.reload()
    await expect(tab.field).to_have_value("say: one\ntwo")
    await expect(tab.send).to_be_enabled()
    thread_id = await ada.thread(title="Another")
    other = await desk.open(thread_id)
    await expect(other.field).to_have_value("")
    await tab.field.press("Enter")
    await expect(tab.field).to_have_value("")
    await tab.is_done()
    await expect(tab.questions).to_have_text("say: one\ntwo", use_inner_text=True)
    await tab.page.reload()
    await expect(tab.field).to_have_value("")
    await expect(tab.field).to_be_focused()


async def test_what_is_typed_while_the_page_is_loading_stays(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    come = asyncio.Event()

    async def late(route: Route) -> None:
        await come.wait()
        await route.continue_()

    await tab.page.route("**/main*.js", late)
    await tab.page.reload(wait_until="commit")
    await tab.field.fill("say: early")
    await expect(tab.send).to_be_disabled()
    come.set()
    await expect(tab.send).to_be_enabled()  # which the page's script does, when it finds a text
    await expect(tab.field).to_have_value("say: early")


async def test_the_demo_model_says_what_it_is_in_one_quiet_line(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    for phone in (False, True):
        tab = await (await device(site, ada, phone=phone)).open()
        await expect(tab.hint).to_have_attribute("data-kind", "notice")
        await expect(tab.hint).to_contain_text("OPENAI_API_KEY")
        box = await tab.hint.locator("span").bounding_box()
        assert box is not None
        assert box["height"] < 30, "more than one line"
    await tab.page.get_by_role("button", name="Paint a red fox at sunset").tap()
    await expect(tab.field).to_have_value("Paint a red fox at sunset")


async def test_a_picture_is_attached_and_shown_in_every_tab(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    data = png(320, 200, (200, 90, 40))
    cat, dog = (FilePayload(name=f"{name}.png", mimeType="image/png", buffer=data) for name in ("cat", "dog"))
    await tab.page.locator("input[type=file]").set_input_files([cat, dog])
    await tab.page.get_by_role("button", name="Remove dog.png").click()
    await expect(
        tab.page.get_by_role("list", name="Attached pictures").get_by_role("listitem")
    ).to_have_count(1)
    await tab.field.fill("what is on it?")
    await expect(tab.send).to_be_enabled()  # once it is uploaded
    await tab.send.click()
    await tab.is_done()
    late = await desk.open(tab.thread_id)
    for one in (tab, late):
        await expect(one.questions.locator(".attached img")).to_have_count(1)
    await late.questions.locator(".attached button").click()
    await expect(late.dialog.locator("img")).to_be_visible()
    await late.page.keyboard.press("Escape")
    await expect(late.dialog).to_have_count(0)
    await expect(late.questions.locator(".attached button")).to_be_focused()
    broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"no picture at all")
    await tab.page.locator("input[type=file]").set_input_files([broken])
    await expect(tab.hint).to_have_attribute("data-kind", "bad")
    await expect(tab.page.get_by_role("list", name="Attached pictures")).to_be_hidden()
    desk.forgive()


async def test_a_message_waits_its_turn(fake_site: Site, openai: FakeOpenAI, device: OpenDevice) -> None:
    openai.script(
        {"text": "word " * 30, "pace": 8, "when": "first"}, {"text": "second answer", "when": "then"}
    )
    desk = await device(fake_site, await fake_site.person())
    tab = await desk.open()
    other = await desk.open()
    await tab.say("first")
    await other.page.goto(f"/threads/{await tab.is_in_a_thread()}/")
    await other.say("then")
    for one in (tab, other):
        await expect(one.questions.last).to_have_attribute("data-status", "queued")
        await expect(one.questions.last).to_contain_text("Queued.")
    for one in (tab, other):
        await expect(one.answers).to_have_count(2)
        await one.is_done()
        await expect(one.answer).to_contain_text("second answer")
        await expect(one.questions.last).to_have_attribute("data-status", "complete")
    assert await tab.shown() == await other.shown()


async def test_a_failure_says_what_to_do_and_retry_goes_on(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    openai.script({"text": "one two three", "after": 3, "then": "cut", "when": "break off"})
    desk = await device(fake_site, await fake_site.person())
    tab = await desk.open()
    await tab.say("break off")
    await expect(tab.answer).to_have_attribute("data-status", "failed")
    await expect(tab.note).to_contain_text("Try again")
    await expect(tab.stop).to_be_hidden()
    other = await desk.open(await tab.is_in_a_thread())
    await expect(other.answer.locator(".note")).to_be_visible()
    assert await other.shown() == await tab.shown()
    openai.script({"text": "Now it is whole.", "when": "break off"})
    await other.answer.get_by_role("button", name="Retry").click()
    for one in (tab, other):
        await expect(one.answer).to_have_attribute("data-status", "complete")
        await expect(one.answer.locator(".prose")).to_have_text("Now it is whole.")
        await expect(one.answer.locator(".note")).to_be_hidden()


async def test_what_is_sent_offline_goes_out_once_when_the_network_is_back(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open(await ada.thread(title="Train"))
    await desk.context.set_offline(True)
    await expect(tab.hint).to_contain_text("You are offline")
    await tab.say("say: from the tunnel")
    await expect(tab.page.locator(".sending")).to_contain_text("Waits for the connection")
    await desk.context.set_offline(False)
    await tab.is_done()
    await expect(tab.page.locator(".sending")).to_have_count(0)
    await expect(tab.questions).to_have_text("say: from the tunnel", use_inner_text=True)
    assert [message["text"] for message in (await ada.fresh(tab.thread_id)).shown()["messages"]] == [
        "say: from the tunnel",
        "from the tunnel",
    ]
    desk.forgive()


async def test_a_picture_can_be_made_the_backdrop_and_taken_away_again(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    await tab.hear("paint a quiet lake")
    picture = await tab.has_background()
    other = await desk.open(tab.thread_id)
    await tab.page.get_by_role("button", name="Backdrop", exact=True).click()
    await tab.page.get_by_role("button", name="Lagoon").click()
    for one in (tab, other):
        await one.has_background("linear-gradient")
    await tab.page.get_by_role("button", name="No backdrop").click()
    await other.until(other.background, lambda value: value == "", "no background")
    await tab.page.keyboard.press("Escape")
    await tab.answer.get_by_role("button", name="Use as backdrop").click()
    assert await other.has_background() == picture
