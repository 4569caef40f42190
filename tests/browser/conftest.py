"""Sites for the browser tests, and the browsers of people at them.

No page may complain, ask elsewhere, or miss a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio

from tests.browser.pages import Device, new_device, sign_in
from tests.client import Person
from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site, running

if TYPE_CHECKING:
    from playwright.async_api import Browser

PACE = "120"
"""Tokens a second of the demo model: an answer of a hundred words takes a second to come between."""


class OpenDevice(Protocol):
    """Give a person a browser at a site, signed in; without a person, a stranger's."""

    async def __call__(
        self, site: Site, person: Person | None, *, phone: bool = False, **options: Any
    ) -> Device: ...


@pytest_asyncio.fixture(scope="session")
async def site(migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The site with its demo model and its local painter."""
    directory = tmp_path_factory.mktemp("site")
    async with running(migrated_template, directory, "daphne", DEMO_TOKENS_PER_SECOND=PACE) as site:
        yield site


@pytest_asyncio.fixture(scope="session")
async def openai() -> AsyncIterator[FakeOpenAI]:
    """A server that answers as OpenAI's does, by script; see `fake_site`."""
    async with FakeOpenAI() as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def fake_site(
    migrated_template: str, tmp_path_factory: pytest.TempPathFactory, openai: FakeOpenAI
) -> AsyncIterator[Site]:
    """The site with its chat and its pictures from the fake OpenAI server."""
    env = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": openai.base_url, "CHAT_MODEL": "fake"}
    async with running(migrated_template, tmp_path_factory.mktemp("fake"), "daphne", **env) as site:
        yield site


@pytest_asyncio.fixture
async def ada(site: Site) -> Person:
    """Somebody at the site."""
    return await site.person()


@pytest_asyncio.fixture
async def device(browser: Browser) -> AsyncIterator[OpenDevice]:
    """Opens browsers. At the end of the test nothing may have gone wrong in their pages."""
    async with opening(browser) as open_device:
        yield open_device


@asynccontextmanager
async def opening(browser: Browser) -> AsyncIterator[OpenDevice]:
    opened: list[Device] = []

    async def open_device(
        site: Site, person: Person | None, *, phone: bool = False, **options: Any
    ) -> Device:
        made = await new_device(browser, site.web.url, phone=phone, **options)
        opened.append(made)
        if person is not None:
            await sign_in(site, person, made.context)
        return made

    try:
        yield open_device
    finally:
        for made in opened:
            await made.context.close()
    for made in opened:
        assert made.problems == []
        assert made.foreign == []
