"""Somebody's browsers, and what is on their pages, in the words of a person who uses them."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, Response

    from tests.client import Person
    from tests.site import Site

SECONDS = 15.0
expect.set_options(timeout=SECONDS * 1000)

T = TypeVar("T")

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 960}}


class Device:
    """One browser with its own cookies and storage. It keeps a list of all that goes wrong in its pages."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        self.foreign: list[str] = []
        context.on("console", lambda message: self._note(message.type, message.text, message.location["url"]))
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        context.on("request", self._asked)
        context.on("response", self._answered)

    async def new_tab(self, path: str = "/") -> Tab:
        tab = Tab(await self.context.new_page())
        await tab.page.goto(path)
        return tab

    async def open(self, thread_id: str | None = None) -> Tab:
        """A tab on the thread, or on a new one, once it can be used."""
        tab = await self.new_tab(f"/threads/{thread_id}/" if thread_id else "/")
        await tab.is_ready()
        return tab

    def forgive(self) -> None:
        """Forget what went wrong so far: it was meant to."""
        self.problems.clear()

    def _note(self, type_: str, text: str, url: str) -> None:
        if type_ in ("error", "warning"):
            self.problems.append(f"{type_}: {text} {url}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:", "about:")):
            self.foreign.append(request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")


class Tab:
    """One page of the web app."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.field = page.locator("[data-ref=field]")
        self.send = page.locator("[data-ref=send]")
        self.stop = page.locator("chat-composer [data-ref=stop]")
        self.hint = page.locator(".hint")
        self.title = page.locator("thread-view .bar [data-ref=title]")
        self.questions = page.locator("chat-message[data-role=user]")
        self.answers = page.locator("chat-message[data-role=assistant]")
        self.answer = self.answers.last
        self.cards = page.locator("tool-card")
        self.note = self.answer.locator(".note [data-ref=words]")
        self.newest = page.locator(".newest")
        self.dialog = page.locator("dialog[open]")

    async def is_ready(self) -> None:
        """Wait until the thread has been opened."""
        await expect(self.page.locator("[data-ref=loading]")).to_be_hidden()

    async def say(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def hear(self, text: str, *, number: int | None = None) -> Locator:
        """Say it, and give the answer once it is there; `number` counts the thread's answers, from 1."""
        number = number or await self.answers.count() + 1
        await self.say(text)
        answer = self.answers.nth(number - 1)
        await expect(answer).to_have_attribute("data-status", "complete")
        return answer

    async def is_done(self) -> None:
        """Wait until the last answer is whole."""
        await expect(self.answer).to_have_attribute("data-status", "complete")
        await expect(self.stop).to_be_hidden()

    async def writes(self, *, at_least: int = 1) -> None:
        """Wait until an answer is being written, and has so many characters."""
        await expect(self.answer).to_have_attribute("data-status", "streaming")
        await self.has_written(at_least=at_least)

    async def has_written(self, *, at_least: int) -> None:
        """Wait until the answer has so many characters, whether more is to come or not."""
        await self.until(lambda: self._length(), lambda length: length >= at_least, "a part of the answer")

    async def _length(self) -> int:
        return len(await self.answer.locator(".prose").last.inner_text())

    async def shown(self) -> str:
        """All the text of the thread, as a person reads it."""
        return re.sub(r"[ \t]*\n\s*", "\n", await self.page.locator(".messages").inner_text())

    async def background(self) -> str:
        """The path of the picture behind the page, or its colour or gradient, or nothing."""
        layer = self.page.locator("chat-room > i").last
        found: str = await layer.evaluate(
            "(layer) => layer.querySelector('img')?.getAttribute('src') ?? layer.style.background"
        )
        return found

    async def has_background(self, like: str = "/images/") -> str:
        """Wait until the background is like this, and give it."""
        return await self.until(self.background, lambda value: value.startswith(like), f"background {like}")

    async def is_still(self) -> None:
        """Wait until all motion that ends has ended."""
        await self.page.evaluate(
            "() => Promise.all(document.getAnimations().filter((one) => "
            "Number.isFinite(one.effect.getComputedTiming().endTime)).map((one) => one.finished.catch(() => null)))"
        )

    @property
    def thread_id(self) -> str:
        found = re.search(r"/threads/([^/]+)/", self.page.url)
        assert found, self.page.url
        return found[1]

    async def is_in_a_thread(self) -> str:
        """Wait until the new thread has its address, and give its id."""
        await expect(self.page).to_have_url(re.compile(r"/threads/[\w-]+/"))
        return self.thread_id

    def item(self, title: str) -> Locator:
        """A thread in the sidebar."""
        return self.page.locator("thread-list .item").filter(has_text=title)

    async def until(
        self, look: Callable[[], Awaitable[T]], fits: Callable[[T], bool], what: str, seconds: float = SECONDS
    ) -> T:
        """Look until what is seen fits, and give it."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not fits(seen := await look()):
            assert asyncio.get_running_loop().time() < deadline, f"no {what}; last seen: {seen!r}"
            await asyncio.sleep(0.02)
        return seen


async def sign_in(site: Site, person: Person, context: BrowserContext) -> None:
    """Give the browser the person's session, without the form."""
    ((hashed,),) = site.database.query("SELECT password FROM auth_user WHERE id = %s", person.id)
    key = uuid.uuid4().hex
    data = await asyncio.to_thread(_session_data, person.id, hashed)
    site.database.query(
        "INSERT INTO django_session (session_key, session_data, expire_date)"
        " VALUES (%s, %s, now() + interval '1 day')",
        key,
        data,
    )
    await context.add_cookies([{"name": "backdrop_session", "value": key, "url": site.web.url}])


def _session_data(user_id: int, hashed: str) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    session = {
        SESSION_KEY: str(user_id),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: User(password=hashed).get_session_auth_hash(),
    }
    return SessionStore().encode(session)


async def new_device(browser: Browser, url: str, *, phone: bool = False, **options: Any) -> Device:
    """A browser of its own, signed in nowhere."""
    settings = {**(PHONE if phone else DESKTOP), "locale": "en-GB", "timezone_id": "UTC", **options}
    context = await browser.new_context(base_url=url, **settings)
    context.set_default_timeout(SECONDS * 1000)
    return Device(context, url)
