"""What one person may ask for: each transport says the same, and nobody else notices."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import httpx
import PIL.Image
import pytest
import pytest_asyncio
from pytest_django import Settings

from chat import limits
from chat.consumers.thread import REFUSED_MAX
from chat.sockets import TOO_MANY
from tests.client import Person, Refused
from tests.site import Site, running

CONNECTIONS, COMMANDS, UPLOADS, RUNS = 2, 60, 2, 2


@pytest_asyncio.fixture(scope="module")
async def strict(migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A site with small limits, whose model speaks slowly."""
    env = {
        "LIMIT_CONNECTIONS": str(CONNECTIONS),
        "LIMIT_COMMANDS_PER_MINUTE": str(COMMANDS),
        "LIMIT_UPLOADS_PER_MINUTE": str(UPLOADS),
        "LIMIT_RUNS": str(RUNS),
        "DEMO_TOKENS_PER_SECOND": "5",
    }
    async with running(migrated_template, tmp_path_factory.mktemp("strict"), "daphne", **env) as site:
        yield site


@pytest_asyncio.fixture
async def ada(strict: Site) -> Person:
    return await strict.person()


async def test_one_connection_too_many_is_closed_until_another_is(strict: Site, ada: Person) -> None:
    thread_id = await ada.thread()
    first, second = await ada.ready(thread_id), await ada.list()
    await second.until("threads")
    assert await (await ada.tab(thread_id)).closed() == TOO_MANY
    stream = await ada.http.get(f"/threads/{thread_id}/events")
    assert (stream.status_code, stream.json()["code"]) == (429, "rate_limited")
    bob = await strict.person()
    async with await bob.ready(await bob.thread()):
        pass
    await first.close()
    tab = await ada.ready(thread_id)  # the server hears of the end before it sees a later beginning
    await tab.close()
    await second.close()


async def test_commands_that_come_too_fast_are_refused_alike_on_a_socket_and_over_http(ada: Person) -> None:
    thread_id = await ada.thread()  # one
    async with await ada.ready(thread_id) as tab:
        for _ in range(COMMANDS - 1):
            await tab.ask("ping")
        with pytest.raises(Refused) as refused:
            await tab.ask("ping")
        assert refused.value.code == "rate_limited"
        wait = refused.value.frame["details"]["retry_after_seconds"]
        assert 0 < wait <= 60 / COMMANDS + 0.1
        posted = await ada.http.post(f"/threads/{thread_id}/commands", json={"type": "ping", "id": "1"})
        assert (posted.status_code, posted.json()["code"]) == (429, "rate_limited")
        assert int(posted.headers["Retry-After"]) >= 1
        assert (await ada.http.get(f"/threads/{thread_id}")).status_code == 200  # reading is no command
        await asyncio.sleep(wait)  # as it was told to
        await tab.ask("ping")


async def test_who_goes_on_regardless_is_shown_out(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        for place in range(COMMANDS + REFUSED_MAX + 10):
            await tab.write({"type": "ping", "id": str(place)})
        assert await tab.closed() == TOO_MANY


async def test_unfinished_runs_are_counted_over_all_threads(ada: Person) -> None:
    running = [await ada.thread() for _ in range(RUNS)]
    for thread_id in running:
        sent = await ada.http.post(f"/threads/{thread_id}/messages", json={"text": "count to 500"})
        assert sent.status_code == 202
    other = await ada.thread()
    refused = await ada.http.post(f"/threads/{other}/messages", json={"text": "hello"})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert (await ada.http.get(f"/threads/{other}/messages")).json()["messages"] == []
    for thread_id in running:
        stop = {"type": "stop", "id": "stop"}
        assert (await ada.http.post(f"/threads/{thread_id}/commands", json=stop)).status_code == 200
    sent = await ada.http.post(f"/threads/{other}/messages", json={"text": "say: yes"})
    assert sent.status_code == 202


async def test_uploads_that_come_too_fast_are_refused(ada: Person) -> None:
    data = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(data, "PNG")

    async def upload() -> httpx.Response:
        return await ada.http.post("/images", files={"file": ("a.png", data.getvalue(), "image/png")})

    assert [(await upload()).status_code for _ in range(UPLOADS + 1)] == [201] * UPLOADS + [429]
    assert len((await ada.http.get("/images")).json()["images"]) == UPLOADS


def test_nobody_fills_a_worker_alone_nor_takes_their_last_run_by_letting_one_thread_s_messages_wait(
    settings: Settings,
) -> None:
    assert 2 * limits.QUEUED_MAX < settings.LIMIT_RUNS <= settings.CHAT_CONCURRENCY / 10


def test_people_whose_bucket_is_full_again_are_forgotten() -> None:
    bucket = limits.Bucket(per_minute=60_000_000)  # full again at once
    for user_id in range(3 * limits.PEOPLE_KEPT):
        assert bucket.take(user_id) == 0
    assert len(bucket._left) <= limits.PEOPLE_KEPT + 2
