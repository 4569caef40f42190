"""Fixtures of real services. What they start ends with the test run, however that ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import pytest_asyncio

from tests.services import databases
from tests.services.app import NEUTRAL, Kind, WebServer, Worker

_given_redis_url = os.environ.get("REDIS_URL")
# Before Django reads its settings. Named in the ini file, they would be read before this file is loaded.
os.environ.update(NEUTRAL)
os.environ["DATABASE_URL"] = databases.SERVER.url(databases.own_name())
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="backdrop-test-")
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser
    from pytest_django import DjangoDbBlocker

    from tests.services.databases import Database
    from tests.services.redis import RedisServer


class StartServer(Protocol):
    """Start a web server, by default on the test's `database`; settings by their environment variables."""

    async def __call__(
        self, kind: Kind = "daphne", *, other_database: Database | None = None, **env: str
    ) -> WebServer: ...


class StartWorker(Protocol):
    """Start a worker, by default on the test's `database`; settings by their environment variables."""

    async def __call__(self, *, other_database: Database | None = None, **env: str) -> Worker: ...


def pytest_configure() -> None:
    from django.conf import settings

    assert settings.DATABASES  # loads the settings; pytest-django sets Django up when it finds them loaded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a parallel run by groups, what has deadlines of its own stays one after the other: these wait for processes
    that were killed, those for a browser, and so they go well beside each other."""
    for item in items:
        if (folder := item.path.parent.name) in ("browser", "reliability"):
            item.add_marker(pytest.mark.xdist_group(folder))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Give the workers of a parallel run the environment as this process found it: each has a database of its own."""
    del os.environ["DJANGO_SETTINGS_MODULE"]
    if _given_redis_url:
        os.environ["REDIS_URL"] = _given_redis_url


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["DATA_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a migrated database that nobody connects to, to be copied."""
    from django.core.management import call_command
    from django.db import connection

    databases.SERVER.ensure()
    databases.drop_left_over()
    own = databases.create(databases.own_name())
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0, interactive=False)
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
    template = databases.copy(own.name)
    yield template.name
    databases.drop(template)
    databases.drop(own)


@pytest.fixture(scope="session")
def django_db_setup(migrated_template: str) -> None:
    """In place of pytest-django's: its `db` fixture finds the database that DATABASE_URL names."""


@pytest.fixture
def _own_database(migrated_template: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    from django.db import connection

    fresh = databases.copy(migrated_template)
    before = connection.settings_dict["NAME"]

    def use(name: str) -> None:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        connection.settings_dict["NAME"] = name

    with django_db_blocker.unblock():
        use(fresh.name)
        yield fresh
        use(before)
    databases.drop(fresh)


@pytest_asyncio.fixture
async def database(_own_database: Database) -> AsyncIterator[Database]:
    """A fresh migrated database, which is Django's own for the time of the test, in every thread.

    Nothing is rolled back or flushed: commits are real, other processes see them, and the database goes afterwards.
    """
    from asgiref.sync import sync_to_async
    from django.db import connections

    from chat import db, log

    yield _own_database
    # What belongs to the event loop and to the thread of Django's async ORM outlives a test by itself.
    await log.close()
    await db.close()
    await sync_to_async(connections.close_all)()


@pytest_asyncio.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Starts web servers; what they store on disk is shared by those of one test."""
    started: list[WebServer] = []

    async def start(
        kind: Kind = "daphne", *, other_database: Database | None = None, **env: str
    ) -> WebServer:
        web = WebServer(tmp_path, other_database or database, env, kind)
        started.append(web)
        await web.start()
        return web

    yield start
    for web in started:
        web.kill()


@pytest_asyncio.fixture
async def worker(database: Database, tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Starts workers for web servers with CHAT_WORKER=external."""
    started: list[Worker] = []

    async def start(*, other_database: Database | None = None, **env: str) -> Worker:
        process = Worker(tmp_path, other_database or database, env)
        started.append(process)
        process.spawn()
        return process

    yield start
    for process in started:
        process.kill()


@pytest_asyncio.fixture(scope="session")
async def redis_url() -> AsyncIterator[str]:
    """The URL of a real Redis-compatible server that the whole run shares."""
    if url := _given_redis_url:
        yield url
        return
    async with _redis() as redis:
        yield redis.url


@pytest_asyncio.fixture
async def redis_server() -> AsyncIterator[RedisServer]:
    """A Redis-compatible server for this test alone, to be stopped, killed or paused."""
    async with _redis() as redis:
        yield redis


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real browser. Each test makes its own contexts, one for each device."""
    from playwright.async_api import async_playwright

    from tests.services.browsers import executable

    # Chromium's sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable(), args=arguments)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def _redis() -> AsyncIterator[RedisServer]:
    from tests.services.redis import RedisServer

    # Not below pytest's own folder: a socket's path holds about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        redis = RedisServer(Path(directory))
        await redis.start()
        yield redis
        redis.kill()
