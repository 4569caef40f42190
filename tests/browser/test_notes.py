"""The quiet line under an answer that is not simply one."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.browser.pages import Tab
from tests.conftest import StartServer, StartWorker
from tests.fakes.openai_server import FakeOpenAI
from tests.services.databases import Database
from tests.services.redis import RedisServer
from tests.site import Site, new_person

AT_LAST = 21_000
"""More milliseconds than anything is waited for in silence."""


async def test_an_answer_at_the_model_s_limit_says_so_and_offers_no_retry(
    fake_site: Site, openai: FakeOpenAI, device: OpenDevice
) -> None:
    browser = await device(fake_site, await fake_site.person())
    tab = await browser.open()
    openai.script({"text": "one two three", "finish_reason": "length", "when": "a long story"})
    await tab.hear("a long story")
    for _ in range(2):
        await expect(tab.note).to_have_text("The model's limit ended this answer here.")
        await expect(tab.answer.locator(".note.bad")).to_have_count(0)
        await expect(tab.answer.get_by_role("button", name="Retry")).to_have_count(0)
        await tab.page.reload()
        await tab.is_done()
    openai.script({"text": "four", "when": "go on"})
    await tab.hear("go on")
    await expect(tab.answer.locator(".note")).to_be_hidden()


async def test_a_wait_that_is_long_is_told_and_ends_when_there_is_a_worker(
    server: StartServer,
    worker: StartWorker,
    database: Database,
    redis_server: RedisServer,
    device: OpenDevice,
) -> None:
    env = {"REDIS_URL": redis_server.url, "CHAT_WORKER": "external", "DEMO_TOKENS_PER_SECOND": "60"}
    site = Site(await server("daphne", other_database=database, **env), database)
    ada = new_person(database, site.web.url)
    browser = await device(site, ada)
    tab = Tab(await browser.context.new_page())
    await tab.page.clock.install()
    await tab.page.goto("/")
    await tab.is_ready()
    await tab.say("count to 300")
    note = tab.questions.last.locator(".note")
    await expect(note).to_contain_text("Waiting to start")
    await tab.page.clock.fast_forward(AT_LAST)
    await expect(note).to_contain_text("Still waiting to start")
    first = await worker(other_database=database, **env)
    await tab.writes(at_least=20)
    await expect(note).to_be_hidden()
    await asyncio.to_thread(first.kill)  # and nobody is left
    # What was on its way is heard before the clock goes on, else the silence would begin with it.
    await expect(tab.answer).to_contain_text((await ada.fresh(tab.thread_id)).said)
    await tab.page.clock.fast_forward(AT_LAST)
    await expect(tab.note).to_have_text("Nothing has come for a while. It goes on as soon as it can.")
    await worker(other_database=database, **env)
    await expect(tab.answer).to_have_attribute("data-status", "complete", timeout=40_000)
    await expect(tab.answer.locator(".note")).to_be_hidden()
    await expect(tab.answer).to_contain_text("299 300")
    await ada.close()
