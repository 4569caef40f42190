"""The HTTP API: the same functions as the sockets, for programs; every error is `{code, message, details?}`."""

from __future__ import annotations

import asyncio
import io
import uuid
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
import pytest

from tests.client import Person
from tests.fakes.replies import png
from tests.site import Site, csrf_of, signed_in
from tests.state import State

PASSWORD = "correct horse battery"
PICTURE = png(80, 60, (200, 30, 30))


async def upload(ada: Person, data: bytes = PICTURE, name: str = "red.png") -> httpx.Response:
    return await ada.http.post("/images", files={"file": (name, data, "image/png")})


def check_error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) <= {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"]


# Threads


async def test_a_thread_is_made_read_renamed_archived_given_a_background_and_deleted(any_site: Site) -> None:
    ada = await any_site.person()
    made = (await ada.http.post("/threads", json={"title": "  My\n first  "})).json()
    assert made["title"] == "My first"
    path = f"/threads/{made['id']}"
    async with await ada.ready(made["id"]) as tab:
        changes: list[tuple[dict[str, Any], str, Any]] = [
            ({"title": "Second"}, "title", "Second"),
            ({"archived": True}, "archived", True),
            ({"archived": False}, "archived", False),
            (
                {"background": {"kind": "color", "value": "navy"}},
                "background",
                {"kind": "color", "value": "navy"},
            ),
            ({"background": None}, "background", None),
        ]
        for change, field, value in changes:
            answer = await ada.http.patch(path, json=change)
            assert (answer.status_code, answer.json()[field]) == (200, value)
            assert (await tab.until("thread_updated"))["thread"][field] == value
            assert (await ada.http.get(path)).json() == answer.json()
        assert (await ada.http.delete(path)).status_code == 204
        assert await tab.closed() == 4404
    check_error(await ada.http.get(path), 404, "not_found")
    check_error(await ada.http.delete(path), 404, "not_found")


async def test_a_bad_change_changes_nothing(site: Site, ada: Person) -> None:
    thread_id = await ada.thread(title="Kept")
    path = f"/threads/{thread_id}"
    bad: list[dict[str, Any]] = [
        {"title": "x" * 201},
        {"title": None},
        {"title": 5},
        {"archived": "perhaps"},
        {"background": {"kind": "color", "value": "red; } body { display: none"}},
        {"background": {"kind": "gradient", "value": "url(https://evil.example)"}},
        {"background": {"kind": "film"}},
        {"background": "red"},
    ]
    for change in bad:
        check_error(await ada.http.patch(path, json=change), 422, "invalid_field")
    strange = {"background": {"kind": "image", "image_id": str(uuid.uuid4())}}
    check_error(await ada.http.patch(path, json=strange), 404, "not_found")
    check_error(await ada.http.patch(path, content=b"{nonsense"), 400, "invalid_frame")
    assert (await ada.http.get(path)).json()["title"] == "Kept"
    assert site.events(thread_id) == []


async def test_texts_that_no_row_can_hold_are_no_crash(ada: Person) -> None:
    thread_id = await ada.thread()
    json_headers = {"Content-Type": "application/json"}
    odd = b'{"title": "a \\ud800 b \\u0000 c"}'
    for answer in (
        await ada.http.post("/threads", content=odd, headers=json_headers),
        await ada.http.patch(f"/threads/{thread_id}", content=odd, headers=json_headers),
        await ada.http.get("/threads", params={"q": "a\0b"}),
        await ada.http.get("/images", params={"q": "a\0b"}),
        await ada.http.get("/threads", params={"cursor": "a\0b"}),
        await ada.http.get("/threads?q=%ff%fe"),
        await ada.http.post(
            f"/threads/{thread_id}/messages", content=b'{"text": "\\ud800"}', headers=json_headers
        ),
        await upload(ada, name="a\ud83d.png".encode("utf-8", "replace").decode()),
    ):
        assert answer.status_code < 500, answer.request.url


async def test_threads_are_listed_newest_first_page_by_page_and_searched(ada: Person) -> None:
    ids = [await ada.thread(title=f"thread {number}") for number in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await ada.http.get("/threads", params={"limit": 2, "cursor": cursor})).json()
        seen += [thread["id"] for thread in page["threads"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert seen == ids[::-1]
    async with await ada.ready(ids[1]) as tab:
        await tab.hear("say: the Marmalade of Ünterwalden")

    async def found(query: str, **params: str) -> list[str]:
        page = (await ada.http.get("/threads", params={"q": query, **params})).json()
        return [thread["id"] for thread in page["threads"]]

    assert await found("marmalade") == await found("the ünterwalden") == [ids[1]]
    assert await found("thread 3") == [ids[3]]
    assert await found("%") == await found("_") == await found("nowhere") == []
    await ada.http.patch(f"/threads/{ids[3]}", json={"archived": True})
    assert await found("thread 3") == []
    assert await found("thread 3", archived="true") == [ids[3]]
    for bad in ({"cursor": "nonsense"}, {"limit": "0"}, {"limit": "9999"}, {"limit": "x"}):
        check_error(await ada.http.get("/threads", params=bad), 422, "invalid_field")


async def test_messages_come_in_pages_newest_last(ada: Person) -> None:
    thread_id = await ada.thread()
    path = f"/threads/{thread_id}/messages"
    async with await ada.ready(thread_id) as tab:
        for word in ("one", "two", "three"):
            await tab.hear(f"say: {word}")
        shown = tab.state.shown()["messages"]
    newest = (await ada.http.get(path, params={"limit": 4})).json()
    assert (newest["messages"], newest["has_more"]) == (shown[-4:], True)
    before = newest["messages"][0]["id"]
    rest = (await ada.http.get(path, params={"limit": 4, "before": before})).json()
    assert (rest["messages"], rest["has_more"]) == (shown[:2], False)
    for bad in (str(uuid.uuid4()), "nonsense"):
        check_error(await ada.http.get(path, params={"before": bad}), 404, "not_found")


# Commands


async def test_a_message_can_be_sent_without_a_socket(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    sent = await ada.http.post(f"/threads/{thread_id}/messages", json={"text": "say: hello"})
    assert sent.status_code == 202
    assert set(sent.json()) == {"message_id", "run_id"}
    assert (await ada.settled(thread_id)).texts == ["say: hello", "hello"]


async def test_commands_over_http_have_the_sockets_answers(ada: Person) -> None:
    thread_id = await ada.thread()
    path = f"/threads/{thread_id}/commands"

    async def command(**fields: Any) -> httpx.Response:
        return await ada.http.post(path, json=fields)

    assert (await command(type="ping", id="p")).json() == {"id": "p"}
    sent = (await command(type="send_message", id="m", text="count to 1500")).json()
    assert set(sent) == {"id", "message_id", "run_id"}
    check_error(await command(type="send_message", id="b", text="x", when_busy="reject"), 409, "busy")
    assert (await command(type="stop", id="s")).json() == {"id": "s", "run_ids": [sent["run_id"]]}
    check_error(await command(type="stop", id="t"), 409, "nothing_to_stop")
    check_error(await command(type="stop", id="s", run_id=sent["run_id"]), 409, "conflict")
    check_error(await command(type="retry", id="r", run_id=sent["run_id"]), 409, "conflict")
    check_error(await command(type="retry", id="r", run_id=str(uuid.uuid4())), 404, "not_found")
    check_error(await command(type="dance", id="d"), 400, "unknown_command")
    check_error(await command(type="received", seq=1), 400, "unknown_command")
    check_error(await command(type="send_message", id="x"), 422, "invalid_field")
    check_error(await command(type="send_message", id="x", text="x" * 32_001), 422, "text_too_long")
    check_error(await command(type="send_message", id="x", text="x" * 600_000), 413, "frame_too_large")
    check_error(await ada.http.post(path, content=b"{"), 400, "invalid_frame")
    check_error(await ada.http.post(path, content=b"x" * 3_000_000), 413, "frame_too_large")
    check_error(await ada.http.post(f"/threads/{thread_id}/messages", json=[]), 400, "invalid_frame")
    nowhere = f"/threads/{uuid.uuid4()}/commands"
    check_error(await ada.http.post(nowhere, json={"type": "stop", "id": "s"}), 404, "not_found")


# Pictures


async def test_a_picture_is_uploaded_listed_shown_attached_and_deleted(any_site: Site) -> None:
    ada = await any_site.person()
    uploaded = await upload(ada)
    assert uploaded.status_code == 201
    image = uploaded.json()
    assert (image["width"], image["height"], image["thread_id"], image["prompt"]) == (80, 60, None, "red.png")
    assert (await ada.http.get(f"/images/{image['id']}")).json() == image
    assert (await ada.http.get("/images", params={"q": "red"})).json() == {"images": [image], "cursor": None}
    assert (await ada.http.get("/images", params={"q": "blue"})).json()["images"] == []
    for url in (image["url"], image["thumbnail_url"]):
        file = await ada.http.get(f"{ada.url}{url}")
        assert file.status_code == 200
        assert file.headers["content-type"] == "image/webp"
        assert "private" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"
        assert PIL.Image.open(io.BytesIO(file.content)).format == "WEBP"
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        ack = await tab.say("what is this?", attachments=[image["id"]])
        assert tab.state.messages[ack["message_id"]]["attachments"] == [image]
        await tab.answer_of(ack["run_id"])
        assert (await ada.fresh(thread_id)).messages[ack["message_id"]]["attachments"] == [image]
    folder = Path(any_site.web.env["DATA_DIR"]) / "media" / "images"
    assert list(folder.glob(f"{image['id']}*"))
    assert (await ada.http.delete(f"/images/{image['id']}")).status_code == 204
    assert not list(folder.glob(f"{image['id']}*"))
    check_error(await ada.http.get(f"/images/{image['id']}"), 404, "not_found")
    assert (await ada.http.get(f"{ada.url}{image['url']}")).status_code == 404


def background_of(state: State) -> Any:
    assert state.thread is not None
    return state.thread["background"]


async def test_a_deleted_picture_goes_from_wherever_it_was_shown(ada: Person) -> None:
    painted_in, other = await ada.thread(), await ada.thread()
    async with await ada.ready(painted_in) as tab, await ada.ready(other) as elsewhere:
        answer = await tab.hear("paint a red fox")
        [image] = answer["images"]
        await elsewhere.hear("look at this", attachments=[image["id"]])
        background = {"kind": "image", "image_id": image["id"]}
        await ada.http.patch(f"/threads/{other}", json={"background": background})
        await elsewhere.until("thread_updated")
        assert (await ada.http.delete(f"/images/{image['id']}")).status_code == 204
        for one, thread_id in ((tab, painted_in), (elsewhere, other)):
            await one.holds(lambda state: background_of(state) is None, "no background")
            fresh = await ada.settled(thread_id)
            assert (await one.reaches(fresh.seq)).messages == fresh.messages
            for message in fresh.messages.values():
                assert (message["images"], message["attachments"]) == ([], [])


async def test_a_deleted_thread_takes_its_pictures_from_behind_others(ada: Person) -> None:
    painted_in, other = await ada.thread(), await ada.thread()
    async with await ada.ready(painted_in) as tab, await ada.ready(other) as elsewhere:
        [image] = (await tab.hear("paint a red fox"))["images"]
        await ada.http.patch(
            f"/threads/{other}", json={"background": {"kind": "image", "image_id": image["id"]}}
        )
        await elsewhere.until("thread_updated")
        assert (await ada.http.delete(f"/threads/{painted_in}")).status_code == 204
        await elsewhere.holds(lambda state: background_of(state) is None, "no background")


async def test_pictures_come_in_pages_newest_first(ada: Person) -> None:
    ids = [(await upload(ada, name=f"{number}.png")).json()["id"] for number in range(3)]
    first = (await ada.http.get("/images", params={"limit": 2})).json()
    second = (await ada.http.get("/images", params={"limit": 2, "cursor": first["cursor"]})).json()
    assert [image["id"] for image in first["images"] + second["images"]] == ids[::-1]
    assert second["cursor"] is None
    assert (await ada.http.delete(f"/images/{first['images'][-1]['id']}")).status_code == 204
    again = await ada.http.get("/images", params={"limit": 2, "cursor": first["cursor"]})
    assert again.json() == second  # although the one that it begins behind is gone
    for cursor in ("nonsense", str(uuid.uuid4())):
        check_error(await ada.http.get("/images", params={"cursor": cursor}), 422, "invalid_field")


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", PICTURE[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + b"\0" * 50],
)
async def test_what_is_no_picture_is_refused(ada: Person, data: bytes) -> None:
    check_error(await upload(ada, data), 422, "invalid_field")
    assert (await ada.http.get("/images")).json()["images"] == []


async def test_an_upload_that_is_too_large_is_refused(ada: Person) -> None:
    check_error(await upload(ada, b"x" * (11 * 2**20)), 413, "frame_too_large")
    check_error(await ada.http.post("/images", json={}), 422, "invalid_field")


# Who may


async def test_another_persons_things_look_like_nothing(any_site: Site) -> None:
    ada, grace = await any_site.person(), await any_site.person()
    thread_id = await ada.thread()
    image = (await upload(ada)).json()
    async with await ada.ready(thread_id) as tab:
        ack = await tab.say("say: mine")
        await tab.answer_of(ack["run_id"])
    http = grace.http
    own = await grace.thread()
    thread = f"/threads/{thread_id}"
    stop = {"type": "stop", "id": "s"}
    answers = await asyncio.gather(
        http.get(thread),
        http.patch(thread, json={"title": "stolen"}),
        http.delete(thread),
        http.get(f"{thread}/messages"),
        http.post(f"{thread}/messages", json={"text": "hi"}),
        http.post(f"{thread}/commands", json=stop),
        http.get(f"{thread}/events"),
        http.get(f"/images/{image['id']}"),
        http.delete(f"/images/{image['id']}"),
        http.patch(f"/threads/{own}", json={"background": {"kind": "image", "image_id": image["id"]}}),
        http.post(f"/threads/{own}/messages", json={"text": "see", "attachments": [image["id"]]}),
        http.post(f"/threads/{own}/messages", json={"text": "on", "parent_id": ack["message_id"]}),
        http.post(f"/threads/{own}/commands", json={**stop, "run_id": ack["run_id"]}),
        http.post(f"/threads/{own}/commands", json={"type": "retry", "id": "r", "run_id": ack["run_id"]}),
    )
    for answer in answers:
        check_error(answer, 404, "not_found")
        assert thread_id not in answer.text
    for url in (image["url"], image["thumbnail_url"]):
        assert (await http.get(f"{grace.url}{url}")).status_code == 404
    listed = (await http.get("/threads")).json()["threads"]
    assert [one["id"] for one in listed] == [own]
    assert (await http.get("/images")).json()["images"] == []
    assert (await ada.http.get(thread)).json()["title"] != "stolen"


async def test_without_a_sign_in_every_call_is_401(any_site: Site) -> None:
    ada = await any_site.person()
    path = f"/threads/{await ada.thread()}"
    for headers in ({"Authorization": "Bearer bd_wrong"}, {"Authorization": ""}):
        for call in (
            "/threads",
            path,
            f"{path}/messages",
            f"{path}/events",
            "/images",
            f"/images/{uuid.uuid4()}",
        ):
            check_error(await ada.http.get(call, headers=headers), 401, "not_signed_in")
        check_error(await ada.http.post(f"{path}/commands", json={}, headers=headers), 401, "not_signed_in")


async def test_a_session_needs_its_csrf_token_to_change_anything(any_site: Site) -> None:
    ada = await any_site.person(password=PASSWORD)
    async with signed_in(ada, PASSWORD) as browser:
        assert (await browser.get("/api/v1/threads")).status_code == 200
        check_error(await browser.post("/api/v1/threads", json={}), 403, "forbidden")
        csrf = csrf_of((await browser.get("/account/")).text)
        made = await browser.post("/api/v1/threads", json={}, headers={"X-CSRFToken": csrf})
        assert made.status_code == 201
        foreign = {"X-CSRFToken": csrf, "Origin": "http://evil.example"}
        check_error(await browser.post("/api/v1/threads", json={}, headers=foreign), 403, "forbidden")


async def test_what_is_no_route_and_what_is_no_object_is_said_in_the_api_s_own_words(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    check_error(await ada.http.get("/nothing"), 404, "not_found")
    check_error(await ada.http.get("/threads/nothing/events"), 404, "not_found")
    bodies: list[Any] = [[], 5, "x"]
    for body in bodies:
        check_error(await ada.http.post("/threads", json=body), 422, "invalid_field")
        check_error(await ada.http.patch(f"/threads/{thread_id}", json=body), 422, "invalid_field")
    wrong = await ada.http.patch(f"/threads/{thread_id}", json={"archived": "maybe"})
    assert set(wrong.json()["details"]["fields"]) == {"archived"}


async def test_the_probes_answer(any_site: Site) -> None:
    async with httpx.AsyncClient(base_url=any_site.web.url, trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200
        async with asyncio.timeout(10):
            while (ready := await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.1)
        assert ready.json() == {"database": True, "channel_layer": True, "worker": True}
