"""What many tests share: web servers, where each makes people of its own who see nothing of the others; a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.client import Person
from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site, running

if TYPE_CHECKING:
    from chat.agent import checkpoints


@pytest_asyncio.fixture(scope="session")
async def site(migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The site on Daphne."""
    async with running(migrated_template, tmp_path_factory.mktemp("daphne"), "daphne") as site:
        yield site


@pytest_asyncio.fixture(scope="session")
async def _uvicorn_site(
    migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    async with running(migrated_template, tmp_path_factory.mktemp("uvicorn"), "uvicorn") as site:
        yield site


@pytest.fixture(params=["daphne", "uvicorn"])
def any_site(request: pytest.FixtureRequest) -> Site:
    """The site on Daphne, and once more on uvicorn."""
    found: Site = request.getfixturevalue("site" if request.param == "daphne" else "_uvicorn_site")
    return found


@pytest_asyncio.fixture(scope="session")
async def strict_site(
    migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """A site that speaks at once and has little patience: with who is silent, and with who does not read."""
    env = {"HEARTBEAT_SECONDS": "1", "SLOW_CLIENT_SECONDS": "1", "DEMO_TOKENS_PER_SECOND": "0"}
    async with running(migrated_template, tmp_path_factory.mktemp("strict"), "daphne", **env) as site:
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
    directory = tmp_path_factory.mktemp("openai")
    async with running(migrated_template, directory, "daphne", **env) as site:
        yield site


@pytest_asyncio.fixture
async def ada(site: Site) -> Person:
    """Somebody at the site on Daphne."""
    return await site.person()


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[checkpoints.Pool]:
    """The agent's checkpoints alone: connections to a database that has nothing else."""
    # This file is read before Django's settings, which tell LangGraph how strict it has to be.
    from chat.agent import checkpoints
    from tests.fakes.checkpointed import checkpoint_database

    async with checkpoint_database() as url, checkpoints.open_pool(url) as pool:
        yield pool
