"""What is refused before the API's own code is reached, an error of ours, and a 503 that is no error."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from tests.client import Person
from tests.conftest import StartServer
from tests.services.app import Kind
from tests.services.databases import Database
from tests.site import Site, new_person


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/threads/{thread_id}/events", "GET"),
        ("DELETE", "/threads/{thread_id}/events", "GET"),
        ("PUT", "/threads", "GET, POST"),
        ("GET", "/threads/{thread_id}/commands", "POST"),
        ("POST", "/threads/{thread_id}", "DELETE, GET, PATCH"),
    ],
)
async def test_a_method_that_a_route_does_not_take_is_refused_in_the_api_s_words(
    any_site: Site, method: str, path: str, allowed: str
) -> None:
    ada = await any_site.person()
    path = path.format(thread_id=await ada.thread())
    async with httpx.AsyncClient(base_url=ada.http.base_url, trust_env=False) as stranger:
        for client in (ada.http, stranger):
            answer = await client.request(method, path)
            assert answer.status_code == 405, answer.text
            assert answer.headers["Allow"] == allowed
            assert answer.json()["code"] == "method_not_allowed"
            assert allowed in answer.json()["message"]


async def test_a_page_s_methods_are_told_as_before(site: Site, ada: Person) -> None:
    async with httpx.AsyncClient(base_url=site.web.url, trust_env=False) as client:
        answer = await client.post("/healthz-not")
        assert answer.status_code == 404
        answer = await client.get("/account/tokens/")
        assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "POST", b"")


async def test_a_form_without_its_token_gets_the_site_s_own_page(site: Site, database: Database) -> None:
    async with httpx.AsyncClient(base_url=site.web.url, trust_env=False) as client:
        answer = await client.post("/login/", data={"username": "x", "password": "y"})
    assert answer.status_code == 403
    assert "go back, reload and try again" in answer.text


async def test_a_process_that_is_not_ready_says_so_and_logs_no_error(
    server: StartServer, database: Database
) -> None:
    web = await server("daphne", CHAT_WORKER="external")  # no worker anywhere
    async with httpx.AsyncClient(base_url=web.url, trust_env=False) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["worker"]) == (503, False)
        assert (await client.get("/nothing")).status_code == 404
    assert "Not Found: /nothing" in web.log()  # what Django says of other requests is there
    assert "readyz" not in "".join(line for line in web.log().splitlines() if "django" in line)


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_an_error_of_ours_is_told_in_the_api_s_words_and_logged_with_what_it_was(
    server: StartServer, database: Database, kind: Kind
) -> None:
    web = await server(kind)
    ada = await asyncio.to_thread(new_person, database, web.url)
    database.query("ALTER TABLE chat_image RENAME TO chat_lost")
    answer = await ada.http.get("/images")
    assert answer.status_code == 500
    assert answer.json() == {"code": "internal_error", "message": "Something went wrong here. Try again."}
    assert "Internal Server Error: /api/v1/images" in web.log()
    assert 'relation "chat_image" does not exist' in web.log()
    bearer = {"Authorization": f"Bearer {ada.token}"}
    async with httpx.AsyncClient(base_url=web.url, trust_env=False, headers=bearer) as client:
        page = await client.get(f"/images/{uuid.uuid4()}/file")
    assert page.status_code == 500
    assert page.headers["Content-Type"].startswith("text/html")
    assert "chat_image" not in page.text
    await ada.close()
