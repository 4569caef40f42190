"""The doors: what ends a person's right to be here closes what they have open, in every process, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest
import pytest_asyncio
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from pytest_django import Settings
from redis.asyncio import Redis

from chat import access, doors, groups, sockets
from chat.access import Credential
from chat.db import in_thread
from chat.errors import NotSignedIn
from tests.client import Closed, Person, Tab, open_tab
from tests.conftest import StartServer
from tests.services import databases
from tests.services.app import WebServer, manage
from tests.services.databases import Database
from tests.services.redis import RedisServer
from tests.site import cookies_of, csrf_of, new_person, signed_in

PASSWORD = "correct horse battery"
AT_ONCE = 2.0
"""How long a door may stay open after the right to be there has ended."""


@dataclass
class Pair:
    """Two web processes with one Redis."""

    one: WebServer
    two: WebServer
    database: Database
    redis_url: str

    async def person(self) -> Person:
        return await asyncio.to_thread(new_person, self.database, self.one.url, PASSWORD)

    async def shell(self, code: str) -> None:
        """Run code in `manage.py shell`, a process that keeps no connections itself."""
        shell = await manage("shell", "-v", "0", "-c", code, **self.one.env)
        assert shell.code == 0, shell.output


@pytest_asyncio.fixture(scope="module")
async def pair(
    migrated_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    database = databases.copy(migrated_template)
    directory = tmp_path_factory.mktemp("pair")
    one, two = (WebServer(directory, database, {"REDIS_URL": redis_url}) for _ in range(2))
    await asyncio.gather(one.start(), two.start())
    yield Pair(one, two, database, redis_url)
    one.kill()
    two.kill()
    databases.drop(database)
    assert "Traceback" not in one.log() + two.log()


async def by_session(browser: httpx.AsyncClient, web: WebServer, path: str) -> Tab:
    return await open_tab(web.ws_url, path, cookie=cookies_of(browser), origin=web.url)


async def is_open(tab: Tab) -> bool:
    """Whether the socket of a thread still answers."""
    try:
        await tab.ask("ping")
    except Closed:
        return False
    return True


@asynccontextmanager
async def event_stream(
    browser: httpx.AsyncClient, web: WebServer, thread_id: str
) -> AsyncIterator[asyncio.Task[None]]:
    """The thread's event stream in a browser; the task ends when the server ends the stream."""
    url = f"{web.url}/api/v1/threads/{thread_id}/events"
    async with browser.stream("GET", url, headers={"Cookie": cookies_of(browser)}) as response:
        assert response.status_code == 200
        lines = response.aiter_lines()
        while not (await anext(lines)).startswith("event: caught_up"):
            pass

        async def read() -> None:
            async for _ in lines:
                pass

        reading = asyncio.create_task(read())
        yield reading
        reading.cancel()


async def test_signing_out_closes_that_session_everywhere_and_no_other(pair: Pair) -> None:
    ada = await pair.person()
    thread_id = await ada.thread()
    path = f"/ws/threads/{thread_id}/"
    async with signed_in(ada, PASSWORD) as here, signed_in(ada, PASSWORD) as there:
        tab = await by_session(here, pair.one, path)
        far_tab = await by_session(here, pair.two, path)
        far_list = await by_session(here, pair.two, "/ws/threads/")
        other_session = await by_session(there, pair.two, path)
        token = await ada.at(pair.two.url).ready(thread_id)
        for one in (tab, far_tab, other_session):
            await one.until("caught_up")
        await far_list.until("threads")
        async with event_stream(here, pair.two, thread_id) as reading:
            page = await here.get("/account/")
            answer = await here.post("/logout/", data={"csrfmiddlewaretoken": csrf_of(page.text)})
            assert answer.status_code == 302
            for one in (tab, far_tab, far_list):
                assert await one.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN
            await asyncio.wait_for(reading, AT_ONCE)
        assert await is_open(other_session)
        assert await is_open(token)
        await other_session.close()
        await token.close()
    await ada.close()


async def test_changing_the_password_closes_every_session_but_no_token(pair: Pair) -> None:
    ada = await pair.person()
    path = f"/ws/threads/{await ada.thread()}/"
    async with signed_in(ada, PASSWORD) as here, signed_in(ada, PASSWORD) as there:
        far_tab = await by_session(there, pair.two, path)
        await far_tab.until("caught_up")
        token = await open_tab(pair.two.ws_url, path, token=ada.token)
        page = await here.get("/account/password/")
        form = {
            "csrfmiddlewaretoken": csrf_of(page.text),
            "old_password": PASSWORD,
            "new_password1": "another horse altogether",
            "new_password2": "another horse altogether",
        }
        answer = await here.post("/account/password/", data=form)
        assert answer.status_code == 302, answer.text
        assert await far_tab.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN
        assert await is_open(token)
        await token.close()
        # Who changed it is still signed in, with a session of a new key.
        async with await by_session(here, pair.one, path) as again:
            await again.until("caught_up")
    await ada.close()


async def test_revoking_a_token_closes_what_it_opened_and_nothing_else(pair: Pair) -> None:
    ada = await pair.person()
    path = f"/ws/threads/{await ada.thread()}/"
    async with signed_in(ada, PASSWORD) as browser:
        session = await by_session(browser, pair.one, path)
        token = await open_tab(pair.two.ws_url, path, token=ada.token)
        await token.until("caught_up")
        ((token_id,),) = pair.database.query("SELECT id FROM chat_token WHERE owner_id = %s", ada.id)
        page = await browser.get("/account/")
        form = {"csrfmiddlewaretoken": csrf_of(page.text)}
        assert (await browser.post(f"/account/tokens/{token_id}/revoke/", data=form)).status_code == 302
        assert await token.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN
        assert await is_open(session)
        await session.close()
    await ada.close()


async def test_deactivating_somebody_in_a_shell_closes_all_that_is_theirs(pair: Pair) -> None:
    ada, bob = await pair.person(), await pair.person()
    path = f"/ws/threads/{await ada.thread()}/"
    async with signed_in(ada, PASSWORD) as browser:
        session = await by_session(browser, pair.one, path)
        token = await open_tab(pair.two.ws_url, path, token=ada.token)
        others = await bob.at(pair.two.url).ready(await bob.thread())
        for one in (session, token):
            await one.until("caught_up")
        await pair.shell(f"u = User.objects.get(id={ada.id}); u.is_active = False; u.save()\n")
        assert await session.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN
        assert await token.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN
        assert (await ada.http.get("/threads")).status_code == 401
        assert await is_open(others)
        await others.close()
    await ada.close()
    await bob.close()


async def test_what_no_message_tells_is_found_by_the_look_at_all_doors(
    server: StartServer, database: Database
) -> None:
    web = await server(RECHECK_SECONDS="0.3")
    ada, bob = [await asyncio.to_thread(new_person, database, web.url) for _ in range(2)]
    tab = await ada.ready(await ada.thread())
    others = await bob.ready(await bob.thread())
    database.query("UPDATE auth_user SET is_active = false WHERE id = %s", ada.id)
    assert await tab.closed(seconds=5) == sockets.NOT_SIGNED_IN
    assert await is_open(others)
    await others.close()


async def test_after_redis_came_back_without_its_memory_the_doors_hear_again(
    server: StartServer, database: Database, redis_server: RedisServer
) -> None:
    one, two = [await server(REDIS_URL=redis_server.url) for _ in range(2)]
    ada = await asyncio.to_thread(new_person, database, one.url, PASSWORD)
    path = f"/ws/threads/{await ada.thread()}/"
    async with signed_in(ada, PASSWORD) as browser:
        tab = await by_session(browser, two, path)
        await tab.until("caught_up")
        redis_server.kill()
        await redis_server.start()
        async with Redis.from_url(redis_server.url) as redis, asyncio.timeout(15):
            while await redis.zcard("asgi:group:doors") < 2:
                await asyncio.sleep(0.05)
        page = await browser.get("/account/")
        await browser.post("/logout/", data={"csrfmiddlewaretoken": csrf_of(page.text)})
        assert await tab.closed(seconds=AT_ONCE) == sockets.NOT_SIGNED_IN


def test_the_look_is_taken_often_enough(settings: Settings) -> None:
    assert settings.RECHECK_SECONDS <= 50


class Connection:
    """Something that can be closed, and says with which code it was."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def close_with(self, code: int) -> None:
        self.closed.set_result(code)


@pytest_asyncio.fixture
async def watch(database: Database) -> AsyncIterator[doors.Watch]:
    watch = doors.Watch()
    await watch.open()
    yield watch
    await watch.close()
    await groups.close()


def _session_of(user: User) -> str:
    store = SessionStore()
    store["_auth_user_id"] = str(user.pk)
    store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    store["_auth_user_hash"] = user.get_session_auth_hash()
    store.save()
    assert store.session_key is not None
    return store.session_key


async def test_a_session_that_ends_while_somebody_comes_in_by_it_lets_nobody_in(watch: doors.Watch) -> None:
    ada = await in_thread(User.objects.create_user, "ada")
    key = await in_thread(_session_of, ada)
    connection = Connection()
    coming = asyncio.create_task(watch.enter(Credential("session", key), connection))
    await asyncio.sleep(0)  # it has begun to ask, and the answer will be yes
    groups.exchange().send(groups.doors(), {"session": doors.digest(key)})
    with pytest.raises(NotSignedIn):
        await coming


async def test_a_door_that_could_not_be_asked_about_is_asked_about_again_soon(
    watch: doors.Watch, database: Database
) -> None:
    ada = await in_thread(User.objects.create_user, "ada")
    key = await in_thread(_session_of, ada)
    connection = Connection()
    await watch.enter(Credential("session", key), connection)
    with psycopg.connect(database.url) as holder:
        holder.execute("LOCK TABLE auth_user")
        groups.exchange().send(groups.doors(), {"user_id": ada.pk})
        waiting = (
            "SELECT pid FROM pg_locks JOIN pg_database AS here ON here.oid = pg_locks.database"
            " WHERE relation = 'auth_user'::regclass AND NOT granted AND here.datname = current_database()"
        )
        async with asyncio.timeout(AT_ONCE):
            while not (asking := database.query(waiting)):
                await asyncio.sleep(0.01)
        # Both at once: who asks again finds the table free, and the person gone.
        holder.execute("UPDATE auth_user SET is_active = false WHERE id = %s", [ada.pk])
        database.query("SELECT pg_terminate_backend(%s)", asking[0][0])
    assert await asyncio.wait_for(connection.closed, doors.AGAIN_SECONDS + AT_ONCE) == sockets.NOT_SIGNED_IN


async def test_a_door_that_was_left_is_not_closed_later(watch: doors.Watch) -> None:
    ada = await in_thread(User.objects.create_user, "ada")
    key = await in_thread(_session_of, ada)
    gone, here = Connection(), Connection()
    for connection in (gone, here):
        assert await watch.enter(Credential("session", key), connection) == ada.pk
    watch.leave(gone)
    await in_thread(SessionStore(key).delete)
    assert await asyncio.wait_for(here.closed, AT_ONCE) == sockets.NOT_SIGNED_IN
    assert not gone.closed.done()


async def test_deleting_somebody_closes_what_their_session_opened(watch: doors.Watch) -> None:
    ada = await in_thread(User.objects.create_user, "ada")
    connection = Connection()
    await watch.enter(Credential("session", await in_thread(_session_of, ada)), connection)
    await in_thread(ada.delete)
    assert await asyncio.wait_for(connection.closed, AT_ONCE) == sockets.NOT_SIGNED_IN


async def test_a_new_secret_key_does_not_sign_out_by_a_handshake(
    database: Database, settings: object
) -> None:
    ada = await in_thread(User.objects.create_user, "ada")
    key = await in_thread(_session_of, ada)
    from django.conf import settings as now

    now.SECRET_KEY_FALLBACKS = [now.SECRET_KEY]
    now.SECRET_KEY = "a new one"
    for _ in range(2):  # a session that was given a new key would be gone by the second
        assert await in_thread(access.user_of, Credential("session", key)) == ada
