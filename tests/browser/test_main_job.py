"""The main job, point by point: log in, talk, watch it paint, come back to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.conftest import StartServer
from tests.fakes.openai_server import FakeOpenAI
from tests.services.databases import Database
from tests.site import Site

if TYPE_CHECKING:
    from playwright.async_api import Page

PASSWORD = "a quiet harbour at dawn"
LONG = "count to 700"


async def test_the_first_account_is_the_administrators_and_leads_into_a_new_thread(
    server: StartServer, database: Database, device: OpenDevice
) -> None:
    web = await server()
    site = Site(web, database)
    ada = await device(site, None)
    tab = await ada.new_tab("/")
    await expect(tab.page).to_have_url(re.compile("/signup/$"))
    await expect(tab.page.get_by_role("heading", name="Welcome")).to_be_visible()
    await _sign_up(tab.page, "ada")
    await expect(tab.page.get_by_role("heading", name="Hello, ada.")).to_be_visible()
    await expect(tab.field).to_be_focused()
    await expect(tab.page.get_by_role("link", name="Admin")).to_be_visible()
    await tab.page.goto("/account/")
    await tab.page.get_by_role("button", name="Sign out").click()
    await expect(tab.page).to_have_url(re.compile("/login/"))
    # A wrong password is told, the right one opens.
    await _sign_in(tab.page, "ada", "wrong")
    await expect(tab.page.get_by_role("alert")).to_contain_text("correct username and password")
    await _sign_in(tab.page, "ada", PASSWORD)
    await expect(tab.page.get_by_role("heading", name="Hello, ada.")).to_be_visible()
    # The second account is nobody special.
    bob = await (await device(site, None)).new_tab("/login/")
    await bob.page.get_by_role("link", name="Make one").click()
    await _sign_up(bob.page, "bob")
    await expect(bob.page.get_by_role("heading", name="Hello, bob.")).to_be_visible()
    await expect(bob.page.get_by_role("link", name="Admin")).to_have_count(0)


async def test_everybody_in_the_thread_sees_it_painted(site: Site, ada: Person, device: OpenDevice) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    await tab.page.get_by_role("button", name="Paint a red fox at sunset").click()
    await tab.field.press("Enter")
    thread_id = await tab.is_in_a_thread()
    phone = await (await device(site, ada, phone=True)).open(thread_id)
    for one in (tab, phone):
        await expect(one.cards).to_have_attribute("data-status", "succeeded")
        await one.is_done()
        await expect(one.cards.locator(".frame img.done")).to_have_count(1)
        await expect(one.answer).to_contain_text("There it is: a red fox at sunset.")
    assert await tab.has_background() == await phone.has_background()
    await tab.page.get_by_role("button", name="Enlarge: a red fox at sunset").click()
    assert (
        await tab.dialog.locator("img").evaluate("(img) => img.decode().then(() => img.naturalWidth)") == 1536
    )


async def test_every_tab_sees_every_step_at_the_same_time(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    call = {"name": "generate_image", "arguments": {"prompt": "a red fox at sunset"}}
    words = "Here it is, with words enough to see them come."
    openai.script(
        {"text": "I paint.", "tool_calls": [call], "when": "paint"},
        {"on": "images", "pace": 0.8},
        {"text": words, "pace": 10, "when": "paint"},
    )
    ada = await fake_site.person()
    thread_id = await ada.thread(title="Fox")
    desk, phone = await device(fake_site, ada), await device(fake_site, ada, phone=True)
    tabs = [await desk.open(thread_id), await desk.open(thread_id), await phone.open(thread_id)]
    for tab in tabs:
        await _watch(tab.page)
    await tabs[0].say("paint a red fox at sunset")
    for tab in tabs:
        await expect(tab.cards).to_have_attribute("data-status", "succeeded")
        await tab.is_done()
        await expect(tab.cards.locator(".frame img.done")).to_have_count(1)
        await expect(tab.answer.locator(".prose").last).to_have_text(words)
        steps = await tab.page.evaluate("() => window.seen")
        assert steps["statuses"] == ["running", "succeeded"]
        assert len(steps["previews"]) >= 2
        assert len(steps["progress"]) >= 2
        assert steps["progress"] == sorted(steps["progress"])
        assert len(set(steps["heights"])) == 1, "the card moved when the picture came"
        assert len(steps["lengths"]) >= 3, "the words did not stream"
    assert len({await tab.has_background() for tab in tabs}) == 1
    assert len({await tab.shown() for tab in tabs}) == 1


async def test_nothing_is_lost_by_a_reload_a_lost_network_or_a_closed_tab(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    watching = await desk.open()
    await watching.say(LONG)
    thread_id = await watching.is_in_a_thread()
    travelling = await device(site, ada)
    lost, closed, reloaded = [await each.open(thread_id) for each in (travelling, desk, desk)]
    await watching.writes(at_least=200)
    await travelling.context.set_offline(True)
    await expect(lost.hint).to_have_attribute("data-kind", "offline")
    await closed.page.close()
    await reloaded.page.reload()
    # Begun while the answer is written; how far that has come by its end depends on how long loading a page takes.
    await reloaded.has_written(at_least=200)
    seen_offline = await lost.shown()
    await watching.has_written(at_least=2000)
    assert await lost.shown() == seen_offline
    await travelling.context.set_offline(False)
    await expect(lost.hint).not_to_have_attribute("data-kind", "offline")
    late = await desk.open(thread_id)
    for one in (watching, reloaded, lost, late):
        await one.is_done()
    shown = await watching.shown()
    numbers = [
        int(number) for number in re.findall(r"\d+", await watching.answer.locator(".prose").inner_text())
    ]
    assert numbers == list(range(1, 701))
    for one in (reloaded, lost, late, await desk.open(thread_id)):
        assert await one.shown() == shown
    travelling.forgive()


async def test_after_a_restart_the_thread_its_background_and_the_agents_memory_are_there(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    tab = await desk.open()
    await tab.hear("my name is Ada")
    await tab.hear("Backdrop: a gradient from teal to navy")
    thread_id = tab.thread_id
    background = await tab.has_background("linear-gradient")
    await tab.say("count to 300")
    await tab.writes(at_least=50)
    site.web.kill()
    await expect(tab.hint).to_have_attribute("data-kind", "reconnecting")
    await site.web.start()
    # The run goes on by itself, and the tab that stayed open sees it through.
    await expect(tab.hint).not_to_have_attribute("data-kind", "reconnecting")
    await expect(tab.answer).to_have_attribute("data-status", "complete", timeout=30_000)
    numbers = [int(number) for number in re.findall(r"\d+", await tab.answer.locator(".prose").inner_text())]
    assert numbers == list(range(1, 301))
    days_later = await (await device(site, ada)).new_tab("/")
    await days_later.item(await tab.title.inner_text()).get_by_role("link").click()
    assert await days_later.is_in_a_thread() == thread_id
    await days_later.is_done()
    assert await days_later.shown() == await tab.shown()
    assert await days_later.has_background("linear-gradient") == background
    await expect(await days_later.hear("what is my name?", number=4)).to_contain_text("Your name is Ada")
    desk.forgive()


async def test_stop_from_another_tab_keeps_the_part_and_the_next_message_works(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    desk = await device(site, ada)
    asking = await desk.open()
    await asking.say("count to 2000")
    other = await desk.open(await asking.is_in_a_thread())
    await other.writes(at_least=60)
    await other.stop.click()
    for tab in (asking, other):
        await expect(tab.answer).to_have_attribute("data-status", "stopped")
        await expect(tab.note).to_have_text("Stopped")
        await expect(tab.stop).to_be_hidden()
    assert await asking.shown() == await other.shown()
    part = await asking.answer.locator(".prose").inner_text()
    assert part.startswith("1 2 3 4")
    await asking.hear("Hello", number=2)
    await expect(other.answers).to_have_count(2)
    await other.page.reload()
    await expect(other.answers.first.locator(".prose")).to_have_text(part)
    await expect(other.answers.first).to_have_attribute("data-status", "stopped")


async def test_the_administrator_finds_every_picture_by_its_prompt_with_its_thread_run_and_file(
    site: Site, ada: Person, device: OpenDevice
) -> None:
    site.database.query("UPDATE auth_user SET is_staff = true, is_superuser = true WHERE id = %s", ada.id)
    bob = await site.person()
    for prompt in ("a green heron in the reeds", "a brass telescope"):
        async with await bob.ready(await bob.thread()) as thread:
            await thread.hear(f"paint {prompt}", seconds=40)
    desk = await device(site, ada)
    page = (await desk.new_tab("/")).page
    await page.get_by_role("link", name="Admin").click()
    await page.get_by_role("link", name="Images").first.click()
    gallery = page.locator("ul.wall > li")
    await expect(gallery.filter(has_text="a brass telescope").first.locator("img")).to_be_visible()
    await page.locator("#searchbar").fill("heron reeds")
    await page.locator("#searchbar").press("Enter")
    await expect(gallery).to_have_count(1)
    await expect(gallery).to_contain_text(bob.name)
    for way, heading in {"Thread": "a green heron", "Run": "ompleted"}.items():
        await gallery.get_by_role("link", name=way, exact=True).click()
        await expect(page.locator("#content")).to_contain_text(heading)
        await page.go_back()
    await gallery.get_by_role("link", name="Full picture").click()
    await expect(page).to_have_url(re.compile(r"/images/[\w-]+/file$"))
    assert await page.locator("img").evaluate("(img) => img.naturalWidth") > 1000
    desk.forgive()  # a picture by itself takes no part in the transition between pages


async def _sign_up(page: Page, name: str) -> None:
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password confirmation").fill(PASSWORD)
    await page.locator("form .button").click()


async def _sign_in(page: Page, name: str, password: str) -> None:
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def _watch(page: Page) -> None:
    """Note in the page, as `seen`, what its tool card and its last words look like from now on, each thing once."""
    await page.evaluate(
        """() => {
          const seen = window.seen = { statuses: [], progress: [], previews: [], heights: [], lengths: [] };
          const note = (list, value) => { if (value && list.at(-1) !== value) list.push(value); };
          const look = () => {
            const card = document.querySelector("tool-card");
            note(seen.lengths, [...document.querySelectorAll(".prose")].at(-1)?.textContent.length);
            if (!card) return;
            note(seen.statuses, card.dataset.status);
            note(seen.progress, Number(card.querySelector("[aria-valuenow]")?.getAttribute("aria-valuenow")));
            const frame = card.querySelector(".frame");
            note(seen.heights, frame.offsetHeight);
            for (const image of frame.querySelectorAll(".preview")) {
              if (!seen.previews.includes(image.src)) seen.previews.push(image.src);
            }
          };
          new MutationObserver(look).observe(document.querySelector(".messages"),
            { subtree: true, childList: true, attributes: true, characterData: true });
        }"""
    )
