"""Web servers that many tests share: each test makes people of its own, who see nothing of the others."""

from __future__ import annotations

import asyncio
import re
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from chat import access
from tests.client import SECONDS, Person
from tests.fakes.openai_server import FakeOpenAI
from tests.services import databases
from tests.services.app import Kind, WebServer
from tests.services.databases import Database

if TYPE_CHECKING:
    from pathlib import Path

PACE = "200"
"""Tokens a second of the demo model: long enough to come between, short enough to wait for."""


class Site:
    """A web server with its database, and people."""

    def __init__(self, web: WebServer, database: Database) -> None:
        self.web = web
        self.database = database
        self._people: list[Person] = []

    async def person(self, *, password: str | None = None) -> Person:
        """Somebody new, with a token; with a password too where one is needed to sign in."""
        found = await asyncio.to_thread(new_person, self.database, self.web.url, password)
        self._people.append(found)
        return found

    def events(self, thread_id: str) -> list[tuple[int, str]]:
        """The rows of the thread's log, as (seq, type)."""
        rows = self.database.query(
            "SELECT seq, type FROM chat_event WHERE thread_id = %s ORDER BY seq", uuid.UUID(thread_id)
        )
        return [(row[0], row[1]) for row in rows]

    async def close(self) -> None:
        for person in self._people:
            await person.close()


def new_person(database: Database, url: str, password: str | None = None) -> Person:
    """Somebody with an account and a token, written into the database behind the application's back."""
    from django.contrib.auth.hashers import make_password

    name, token = f"ada-{secrets.token_hex(4)}", access.PREFIX + secrets.token_urlsafe(16)
    ((id_,),) = database.query(
        "INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, date_joined,"
        " first_name, last_name, email) VALUES (%s, %s, false, false, true, now(), '', '', '') RETURNING id",
        name,
        make_password(password),
    )
    database.query(
        "INSERT INTO chat_token (id, owner_id, name, digest, created_at) VALUES (%s, %s, 'test', %s, now())",
        uuid.uuid4(),
        id_,
        access.digest(token),
    )
    return Person(url, name, id_, token)


@asynccontextmanager
async def signed_in(person: Person, password: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as cookies go, in which the person has signed in by the site's own form."""
    async with httpx.AsyncClient(base_url=person.url, trust_env=False, timeout=SECONDS) as browser:
        csrf = csrf_of((await browser.get("/login/")).text)
        form = {"csrfmiddlewaretoken": csrf, "username": person.name, "password": password}
        answer = await browser.post("/login/", data=form)
        assert answer.status_code == 302, answer.text
        yield browser


def csrf_of(page: str) -> str:
    """The CSRF token that a page carries for its forms."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    return found[1]


def cookies_of(browser: httpx.AsyncClient) -> str:
    """The Cookie header of a browser."""
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@asynccontextmanager
async def _site(template: str, directory: Path, kind: Kind, **env: str) -> AsyncIterator[Site]:
    database = databases.copy(template)
    web = WebServer(directory, database, {"DEMO_TOKENS_PER_SECOND": PACE, **env}, kind)
    await web.start()
    site = Site(web, database)
    try:
        yield site
    finally:
        await site.close()
        web.kill()
        databases.drop(database)
    assert "Traceback" not in web.log(), web.log()


@pytest_asyncio.fixture(scope="session")
async def site(
    migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """The site on Daphne."""
    async with _site(migrated_template, tmp_path_factory.mktemp("daphne"), "daphne") as site:
        yield site


@pytest_asyncio.fixture(scope="session")
async def _uvicorn_site(
    migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    async with _site(migrated_template, tmp_path_factory.mktemp("uvicorn"), "uvicorn") as site:
        yield site


@pytest.fixture(params=["daphne", "uvicorn"])
def any_site(request: pytest.FixtureRequest) -> Site:
    """The site on Daphne, and once more on uvicorn."""
    found: Site = request.getfixturevalue("site" if request.param == "daphne" else "_uvicorn_site")
    return found


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
    directory = tmp_path_factory.mktemp("openai")
    async with _site(migrated_template, directory, "daphne", **env) as site:
        yield site


@pytest_asyncio.fixture
async def ada(site: Site) -> Person:
    """Somebody at the site on Daphne."""
    return await site.person()


Meet = Callable[[], Awaitable[Person]]
