"""Another person's anything: every route, socket, command and group, walked from the code, with somebody else's ids.

Who adds a route or a command says here what it is; until then these tests fail.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.urls import URLPattern, URLResolver, get_resolver

from chat import commands, groups, images
from chat.api.urls import api
from chat.routing import websocket_urlpatterns
from tests.client import Person, Refused, open_tab
from tests.site import Site, csrf_of, signed_in

PASSWORD = "correct horse battery"
MARK = "Zanzibar"
"""In every text of Ada's, so that it is seen wherever it should not be."""

PUBLIC, OWN, THEIRS, STAFF = "public", "own", "theirs", "staff"
"""For anybody; for who is signed in, of their own; of one thing of a person's; for administrators."""

PAGES: dict[str, str] = {
    "": OWN,
    "threads/<uuid:thread_id>/": THEIRS,
    "threads/<uuid:thread_id>/previews/<str:name>": THEIRS,
    "images/": OWN,
    "images/<uuid:image_id>/file": THEIRS,
    "images/<uuid:image_id>/thumbnail": THEIRS,
    "account/": OWN,
    "account/tokens/": OWN,
    "account/tokens/<uuid:token_id>/revoke/": THEIRS,
    "account/delete/": OWN,
    "account/password/": OWN,
    "login/": PUBLIC,
    "logout/": PUBLIC,
    "signup/": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "api/v1/threads/<uuid:thread_id>/events": THEIRS,
    "api/v1/openapi.json": PUBLIC,
    "api/v1/": PUBLIC,  # ninja's name for itself; there is nothing behind it
}
API: dict[tuple[str, str], str] = {
    ("GET", "/threads"): OWN,
    ("POST", "/threads"): OWN,
    ("GET", "/threads/{thread_id}"): THEIRS,
    ("PATCH", "/threads/{thread_id}"): THEIRS,
    ("DELETE", "/threads/{thread_id}"): THEIRS,
    ("GET", "/threads/{thread_id}/messages"): THEIRS,
    ("POST", "/threads/{thread_id}/messages"): THEIRS,
    ("POST", "/threads/{thread_id}/commands"): THEIRS,
    ("GET", "/images"): OWN,
    ("POST", "/images"): OWN,
    ("GET", "/images/{image_id}"): THEIRS,
    ("DELETE", "/images/{image_id}"): THEIRS,
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/threads/{thread_id}"): {"title": "mine now"},
    ("POST", "/threads/{thread_id}/messages"): {"text": "hello"},
    ("POST", "/threads/{thread_id}/commands"): {"type": "stop", "id": "1"},
}
SOCKETS = {"ws/threads/": OWN, "ws/threads/<str:thread_id>/": THEIRS}
COMMANDS: dict[str, dict[str, Any]] = {
    "send_message": {"text": "hello"},
    "stop": {},
    "retry": {},
    "received": {"seq": 0},
    "ping": {},
}
"""Each command, with its fields that are no ids."""
GROUPS = {"thread", "user", "doors", "everyone"}


@dataclass
class Ada:
    """Somebody who has one of everything, each with a text that has the mark."""

    person: Person
    thread_id: str
    message_id: str
    run_id: str
    image_id: str
    token_id: str
    preview: str

    def path(self, route: str) -> str:
        """The route with Ada's ids in it."""
        of_admin = {
            "auth/user": self.person.id,
            "chat/image": self.image_id,
            "chat/run": self.run_id,
            "chat/token": self.token_id,
        }
        object_id = next((id_ for name, id_ in of_admin.items() if name in route), self.thread_id)
        filled = route
        for part, value in {
            "thread_id": self.thread_id,
            "image_id": self.image_id,
            "token_id": self.token_id,
            "name": self.preview,
            "object_id": object_id,
            "content_type_id": 1,
            "id": object_id,
        }.items():
            for form in ("<uuid:%s>", "<str:%s>", "<path:%s>", "<%s>", "{%s}"):
                filled = filled.replace(form % part, str(value))
        filled = filled.replace("^(?P<app_label>auth|chat|procrastinate)/$", "chat/").replace(
            "(?P<url>.*)$", "nowhere/"
        )
        assert not set(filled) & set("<>{}^$"), f"{route} has a part that nobody filled in"
        return f"/{filled.lstrip('/')}"

    def ids(self, field: str) -> Any:
        """What belongs into an id's field of a command."""
        return {
            "attachments": [self.image_id],
            "parent_id": self.message_id,
            "message_id": self.message_id,
            "run_id": self.run_id,
        }[field]


def routes() -> Iterator[str]:
    """Every route of the site but those of the API's operations."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route

    operations = {f"api/v1{path}".replace("{", "<").replace("}", ">") for _, path in operations_of_the_api()}
    return (route for route in walk(get_resolver().url_patterns, "") if route not in operations)


def operations_of_the_api() -> set[tuple[str, str]]:
    return {
        (method, prefix + path)
        for prefix, router in api._routers
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }


def kind_of(route: str) -> str:
    if route in ("admin/login/", "admin/logout/"):
        return PUBLIC
    return STAFF if route.startswith("admin/") else PAGES[route]


def id_fields(type_: str) -> list[str]:
    """The fields of a command that name something."""
    (found,) = (
        cls
        for cls in (commands.Durable | commands.Received | commands.Ping).__args__
        if cls.model_fields["type"].default == type_
    )
    return [name for name, field in found.model_fields.items() if "UUID" in str(field.annotation)]


def test_every_route_socket_command_and_group_is_listed_here() -> None:
    assert {route for route in routes() if not route.startswith("admin/")} == set(PAGES)
    assert operations_of_the_api() == set(API)
    assert {str(pattern.pattern) for pattern in websocket_urlpatterns} == set(SOCKETS)
    assert set(COMMANDS) == commands.TYPES
    assert {
        name
        for name in vars(groups)
        if getattr(vars(groups)[name], "__annotations__", {}).get("return") == "str"
    } == GROUPS


@pytest_asyncio.fixture
async def ada(site: Site) -> Ada:
    person = await site.person()
    thread_id = await person.thread(title=MARK)
    async with await person.ready(thread_id) as tab:
        await tab.hear(f"say: {MARK}")
        await tab.hear(f"paint {MARK}", seconds=30)
        (image_id,) = (event["image"]["id"] for event in tab.events if event["type"] == "image_ready")
        run_id, run = next(iter(tab.state.runs.items()))
        message_id = run["message_id"]
    preview = f"{uuid.uuid4().hex}.jpg"
    media = FileSystemStorage(location=f"{site.web.env['DATA_DIR']}/media")
    media.save(images.preview_path(uuid.UUID(thread_id), preview), ContentFile(MARK.encode()))
    ((token_id,),) = site.database.query("SELECT id FROM chat_token WHERE owner_id = %s", person.id)
    return Ada(person, thread_id, message_id, run_id, image_id, str(token_id), preview)


@pytest_asyncio.fixture
async def bob(site: Site) -> Person:
    return await site.person(password=PASSWORD)


@pytest_asyncio.fixture
async def bobs_browser(bob: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(bob, PASSWORD) as browser:
        browser.headers["X-CSRFToken"] = csrf_of((await browser.get("/account/")).text)
        browser.headers["Origin"] = bob.url
        yield browser


@pytest_asyncio.fixture
async def stranger(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which nobody is signed in."""
    async with httpx.AsyncClient(base_url=site.web.url, trust_env=False, timeout=15) as browser:
        browser.headers["X-CSRFToken"] = csrf_of((await browser.get("/login/")).text)
        browser.headers["Origin"] = site.web.url
        yield browser


def everything(site: Site) -> dict[str, list[Any]]:
    """All rows that people have, but for when a token was used and somebody signed in."""
    tables = [
        model._meta.db_table for model in apps.get_app_config("chat").get_models(include_auto_created=True)
    ]
    return {
        table: site.database.query(
            f"SELECT to_jsonb(t) - 'last_used_at' - 'last_login' FROM {table} t ORDER BY t::text"
        )
        for table in [*tables, "auth_user"]
    }


def refuses(answer: httpx.Response) -> bool:
    """Whether the answer gives nothing: no such thing, no such way, or the way to the sign-in page."""
    if answer.status_code == 302:
        return answer.headers["Location"].startswith(("/login/", "/admin/login/"))
    return answer.status_code in (401, 403, 404, 405)


async def test_no_page_gives_or_changes_what_is_another_persons(
    site: Site, ada: Ada, bobs_browser: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    before = everything(site)
    for route in routes():
        kind, path = kind_of(route), ada.path(route)
        for method in ("GET", "POST"):
            if kind == PUBLIC and method == "POST":
                continue
            where = f"{method} {path}"
            answer = await stranger.request(method, path)
            assert MARK not in answer.text, where
            assert kind == PUBLIC or refuses(answer), (where, answer.status_code)
            if kind == OWN and method == "POST":
                continue  # what is Bob's own he may change
            answer = await bobs_browser.request(method, path)
            assert MARK not in answer.text, where
            if kind == THEIRS:
                assert answer.status_code in (404, 405), (where, answer.status_code)
            elif kind == STAFF:
                assert refuses(answer), (where, answer.status_code)
    assert everything(site) == before


async def test_no_operation_of_the_api_gives_or_changes_what_is_another_persons(
    site: Site, ada: Ada, bob: Person, bobs_browser: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    before = everything(site)
    for (method, route), kind in API.items():
        path, body = f"/api/v1{ada.path(route)}", BODIES.get((method, route))
        answer = await stranger.request(method, path, json=body)
        assert answer.status_code == 401, (method, path, answer.text)
        if kind == OWN and method != "GET":
            continue
        by_token = await bob.http.request(method, ada.path(route), json=body)
        for answer in (await bobs_browser.request(method, path, json=body), by_token):
            assert MARK not in answer.text, (method, path)
            if kind == THEIRS:
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)
    assert everything(site) == before


async def test_the_ids_are_right_for_their_owner(site: Site, ada: Ada) -> None:
    """Else everything above would be refused for another reason."""
    files = httpx.AsyncClient(base_url=site.web.url, headers=ada.person.http.headers, trust_env=False)
    async with files:
        for route in routes():
            if kind_of(route) == THEIRS and route.endswith(("<str:name>", "/file", "/thumbnail")):
                assert (await files.get(ada.path(route))).status_code == 200, route
    for (method, route), kind in sorted(API.items(), key=lambda item: item[0][0] == "DELETE"):
        if kind == THEIRS:
            body = BODIES.get((method, route))
            answer = await ada.person.http.request(method, ada.path(route), json=body)
            expected = (
                {200, 202, 204} if body != BODIES["POST", "/threads/{thread_id}/commands"] else {200, 409}
            )
            # The thread takes its pictures along.
            gone = {404} if (method, route) == ("DELETE", "/images/{image_id}") else set()
            assert answer.status_code in expected | gone, (method, route, answer.text)


async def test_no_socket_opens_on_what_is_another_persons(site: Site, ada: Ada, bob: Person) -> None:
    for route, kind in SOCKETS.items():
        path = ada.path(route)
        nobody = await open_tab(site.web.ws_url, path)
        assert await nobody.closed() == 4401
        guessed = await open_tab(site.web.ws_url, path, token=f"bd_{secrets.token_urlsafe(32)}")
        assert await guessed.closed() == 4401
        for after in (None, 0):  # a snapshot, and the log itself
            tab = await open_tab(site.web.ws_url, path, token=bob.token, after=after)
            if kind == THEIRS:
                assert await tab.closed() == 4404
                assert tab.frames == []
            else:
                await tab.until("threads")
                assert MARK not in json.dumps(tab.frames)
                await tab.close()


@pytest.mark.parametrize("type_", sorted(COMMANDS))
async def test_no_command_reaches_what_is_another_persons(
    site: Site, ada: Ada, bob: Person, type_: str
) -> None:
    mine = await bob.thread()
    async with await bob.ready(mine) as tab:
        before = everything(site)
        required = {field: ada.ids(field) for field in id_fields(type_) if field != "attachments"}
        for field in id_fields(type_):
            fields = {**COMMANDS[type_], field: ada.ids(field)}
            with pytest.raises(Refused) as refused:
                await tab.ask(type_, **fields)
            assert refused.value.code == "not_found", field
            body = {"type": type_, "id": str(uuid.uuid4()), **fields}
            answer = await bob.http.post(f"/threads/{mine}/commands", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), field
        if type_ not in ("ping", "received"):  # those do nothing to a thread
            body = {"type": type_, "id": str(uuid.uuid4()), **COMMANDS[type_], **required}
            answer = await bob.http.post(f"/threads/{ada.thread_id}/commands", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert everything(site) == before
        assert tab.events == []


async def test_ids_in_queries_and_bodies_reach_nothing_either(site: Site, ada: Ada, bob: Person) -> None:
    mine = await bob.thread()
    before = everything(site)
    background = {"background": {"kind": "image", "image_id": ada.image_id}}
    assert (await bob.http.patch(f"/threads/{mine}", json=background)).status_code == 404
    before_hers = {"before": ada.message_id}
    assert (await bob.http.get(f"/threads/{mine}/messages", params=before_hers)).status_code == 404
    for query in ({"cursor": ada.image_id}, {"q": MARK}):
        answer = await bob.http.get("/images", params=query)
        assert MARK not in answer.text
        assert answer.status_code in (200, 422)
    assert (await bob.http.get("/threads", params={"q": MARK})).json()["threads"] == []
    assert everything(site) == before


async def test_nothing_that_happens_to_one_person_is_told_to_another(
    site: Site, ada: Ada, bob: Person
) -> None:
    thread_id = await bob.thread()
    async with await bob.ready(thread_id) as tab, await bob.list() as listing:
        await listing.until("threads")
        async with await ada.person.ready(ada.thread_id) as hers:
            await hers.hear(f"say: {MARK}")
        title = {"title": f"{MARK} again"}
        assert (await ada.person.http.patch(f"/threads/{ada.thread_id}", json=title)).status_code == 200
        # What is Bob's comes through, and nothing came before it.
        assert (await bob.http.patch(f"/threads/{thread_id}", json={"title": "Foxes"})).status_code == 200
        await tab.until("thread_updated")
        await listing.until("thread_changed")
        assert [event["type"] for event in tab.events] == ["thread_updated"]
        assert MARK not in json.dumps([*tab.frames, *listing.frames])
