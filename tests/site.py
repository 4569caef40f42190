"""The site as tests use it: a web server with its database, and people who come to it."""

from __future__ import annotations

import asyncio
import re
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tests.client import SECONDS, Person
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

    from chat import access

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


def outcomes(database: Database, run_id: str) -> list[str | None]:
    """What each attempt of a run has come to; of one at work there is nothing to say yet."""
    ((attempts,),) = database.query("SELECT attempts FROM chat_run WHERE id = %s", uuid.UUID(run_id))
    return [attempt.get("outcome") for attempt in attempts]


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
async def running(template: str, directory: Path, kind: Kind, **env: str) -> AsyncIterator[Site]:
    """A site on a database of its own, for as long as the context lasts. It must not have logged an exception."""
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
    crash = web.log().partition("Traceback")[2]
    assert not crash, crash[:4000]


def check_event(frame: dict[str, Any]) -> None:
    """A frame of the log is one of the classes in chat/events.py, whole, with `seq`, `at`, `thread_id`, `run_id`."""
    from chat import events

    body = {name: value for name, value in frame.items() if name not in ("seq", "at", "thread_id", "run_id")}
    event = events.adapter.validate_python(body)
    assert event.model_dump(mode="json") == body
    assert {"seq", "at", "thread_id"} <= set(frame)
    assert ("run_id" in frame) == event.of_run
    assert frame["at"].endswith("Z")
