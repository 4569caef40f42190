"""The socket of a thread: who may open it, what comes in which order, and what happens to bad frames."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from chat import frames
from tests.client import Person, Refused, open_tab
from tests.site import Site, check_event, cookies_of, signed_in
from tests.state import State

PASSWORD = "correct horse battery"


async def test_a_new_socket_gets_hello_then_a_snapshot_then_caught_up_then_what_happens(
    any_site: Site,
) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        hello, snapshot, caught_up = tab.frames
        assert hello == {
            "type": "hello",
            "protocol": 1,
            "thread_id": thread_id,
            "seq": 0,
            "heartbeat_seconds": frames.HEARTBEAT_SECONDS,
        }
        assert snapshot["type"] == "snapshot"
        assert set(snapshot) == {"type", "seq", "thread", "messages", "runs", "has_more"}
        assert (snapshot["seq"], snapshot["messages"], snapshot["runs"]) == (0, [], [])
        assert snapshot["thread"]["id"] == thread_id
        assert caught_up == {"type": "caught_up", "seq": 0}
        answer = await tab.hear("say: hello")
        assert answer["text"] == "hello"
        assert answer["status"] == "complete"
        assert [event["seq"] for event in tab.events] == list(range(1, tab.state.seq + 1))


async def test_a_turn_is_told_by_these_events_in_this_order(any_site: Site) -> None:
    ada = await any_site.person()
    async with await ada.ready(await ada.thread()) as tab:
        ack = await tab.say("say: one two three")
        await tab.answer_of(ack["run_id"])
        assert set(ack) == {"type", "id", "message_id", "run_id"}
        told = [event["type"] for event in tab.events]
        assert told[:4] == ["message_created", "run_queued", "run_started", "message_created"]
        assert [
            kind for kind in told[4:] if kind not in ("run_progress", "agent_update", "assistant_delta")
        ] == [
            "message_completed",
            "run_completed",
        ]
        asked, answered = (event["message"] for event in tab.events if event["type"] == "message_created")
        assert asked["id"] == ack["message_id"]
        assert (asked["role"], asked["status"], asked["parent_id"]) == ("user", "complete", None)
        assert (answered["role"], answered["status"]) == ("assistant", "streaming")
        assert answered["parent_id"] == asked["id"]
        assert {event["run_id"] for event in tab.events} == {ack["run_id"]}


async def test_every_event_has_exactly_the_fields_of_its_class(site: Site, ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        await tab.hear("paint a small square red fox in square format", seconds=30)
        assert {"tool_call_started", "tool_call_progress", "tool_call_completed", "image_ready"} <= {
            event["type"] for event in tab.events
        }
        for event in tab.events:
            check_event(event)
            assert event["thread_id"] == tab.frames[0]["thread_id"]


async def test_coming_back_with_after_brings_each_later_event_once_and_no_snapshot(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        await tab.hear("say: one")
        await ada.settled(thread_id)
        seen = tab.state.seq
    async with await ada.ready(thread_id) as other:
        await other.hear("say: two")
    async with await ada.ready(thread_id, after=seen) as tab:
        kinds = [frame["type"] for frame in tab.frames]
        assert kinds[0] == "hello"
        assert kinds[-1] == "caught_up"
        assert "snapshot" not in kinds
        numbers = [event["seq"] for event in tab.events]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > seen
        assert tab.frames[-1]["seq"] == tab.frames[0]["seq"] == numbers[-1]


@pytest.mark.parametrize("after", ["-1", "999999", "x", "1e3", "", "9" * 40, "٣"])
async def test_an_after_that_is_no_number_of_this_log_gets_a_snapshot(ada: Person, after: Any) -> None:
    async with await ada.ready(await ada.thread(), after=after) as tab:
        assert [frame["type"] for frame in tab.frames] == ["hello", "snapshot", "caught_up"]


# Who may come in


async def test_without_a_sign_in_the_code_is_4401(any_site: Site) -> None:
    ada = await any_site.person()
    path = f"/ws/threads/{await ada.thread()}/"
    for token in (None, "bd_wrong", ""):
        tab = await open_tab(ada.ws_url, path, token=token)
        assert await tab.closed() == 4401
        assert tab.frames == []


async def test_a_thread_that_is_anothers_looks_like_one_that_is_not_there(any_site: Site) -> None:
    ada, grace = await any_site.person(), await any_site.person()
    for thread_id in (await ada.thread(), str(uuid.uuid4()), "no-uuid", "%00"):
        tab = await grace.tab(thread_id)
        assert await tab.closed() == 4404
        assert tab.frames == []


async def test_a_session_comes_in_from_the_sites_own_pages_only(any_site: Site) -> None:
    ada = await any_site.person(password=PASSWORD)
    path = f"/ws/threads/{await ada.thread()}/"
    async with signed_in(ada, PASSWORD) as browser:
        cookie = cookies_of(browser)
        async with await open_tab(ada.ws_url, path, cookie=cookie, origin=ada.url) as tab:
            await tab.until("caught_up")
        port = any_site.web.port
        foreign = (
            f"https://127.0.0.1:{port}",
            f"http://localhost:{port}",
            f"http://127.0.0.1:{port + 1}",
            "http://127.0.0.1",
            "http://evil.example",
            f"http://127.0.0.1.evil.example:{port}",
            "null",
            None,
        )
        for origin in foreign:
            with pytest.raises(InvalidStatus) as refused:
                await open_tab(ada.ws_url, path, cookie=cookie, origin=origin)
            assert refused.value.response.status_code == 403, origin


async def test_a_foreign_page_gets_no_handshake_even_with_a_token(site: Site, ada: Person) -> None:
    path = f"/ws/threads/{await ada.thread()}/"
    with pytest.raises(InvalidStatus) as refused:
        await open_tab(ada.ws_url, path, token=ada.token, origin="http://evil.example")
    assert refused.value.response.status_code == 403


# What a client may say


async def test_ping_gets_pong(any_site: Site) -> None:
    ada = await any_site.person()
    async with await ada.ready(await ada.thread()) as tab:
        assert await tab.ask("ping", id="p-1") == {"type": "pong", "id": "p-1"}


UNREADABLE = ("invalid_frame", "frame_too_large")
BAD_FRAMES: list[tuple[str, object, str]] = [
    ("not JSON", "{", "invalid_frame"),
    ("nothing", "", "invalid_frame"),
    ("an array", [1, 2], "invalid_frame"),
    ("a number", 7, "invalid_frame"),
    ("no type", {"id": "x"}, "invalid_frame"),
    ("a type that is no text", {"type": 5}, "invalid_frame"),
    ("NaN", '{"type": NaN}', "invalid_frame"),
    ("deep nesting", "[" * 50_000 + "]" * 50_000, "invalid_frame"),
    ("a deep field", '{"type":"send_message","id":"x","text":' + "[" * 5000 + "]" * 5000 + "}", "invalid_frame"),
    ("a lone surrogate", '{"type":"send_message","id":"x","text":"\\ud800"}', "invalid_frame"),
    ("bytes", b'{"type":"ping","id":"x"}', "invalid_frame"),
    ("huge", {"type": "ping", "id": "x", "text": "x" * 600_000}, "frame_too_large"),
    ("unknown", {"type": "dance", "id": "x"}, "unknown_command"),
    ("a command of a later protocol", {"type": "edit_message_v2", "id": "x"}, "unknown_command"),
    ("an unknown type of great length", {"type": "d" * 100_000, "id": "x"}, "unknown_command"),
    ("a field too many", {"type": "ping", "id": "x", "more": 1}, "invalid_field"),
    ("thousands of fields", {"type": "ping", "id": "x", **{f"f{n}": 1 for n in range(20_000)}}, "invalid_field"),
    ("no id", {"type": "send_message", "text": "x"}, "invalid_field"),
    ("an empty id", {"type": "send_message", "id": "", "text": "x"}, "invalid_field"),
    ("a long id", {"type": "send_message", "id": "i" * 65, "text": "x"}, "invalid_field"),
    ("an id that is a number", {"type": "send_message", "id": 1, "text": "x"}, "invalid_field"),
    ("an id with NUL", {"type": "send_message", "id": "a\0b", "text": "x"}, "invalid_field"),
    ("no text", {"type": "send_message", "id": "x"}, "invalid_field"),
    ("a text that is a number", {"type": "send_message", "id": "x", "text": 5}, "invalid_field"),
    ("a text with NUL", {"type": "send_message", "id": "x", "text": "a\0b"}, "invalid_field"),
    ("an empty text", {"type": "send_message", "id": "x", "text": " \n"}, "invalid_field"),
    ("a long text", {"type": "send_message", "id": "x", "text": "x" * 32_001}, "text_too_long"),
    ("an unknown choice", {"type": "send_message", "id": "x", "text": "x", "when_busy": "wait"}, "invalid_field"),
    ("a strange parent", {"type": "send_message", "id": "x", "text": "x", "parent_id": "p"}, "not_found"),
    ("a parent that is a list", {"type": "send_message", "id": "x", "text": "x", "parent_id": []}, "invalid_field"),
    ("strange pictures", {"type": "send_message", "id": "x", "text": "x", "attachments": ["p"]}, "not_found"),
    (
        "too many pictures",
        {"type": "send_message", "id": "x", "text": "x", "attachments": [str(uuid.uuid4())] * 9},
        "invalid_field",
    ),
    ("a strange run to stop", {"type": "stop", "id": "x", "run_id": str(uuid.uuid4())}, "not_found"),
    ("nothing to stop", {"type": "stop", "id": "x"}, "nothing_to_stop"),
    ("a strange run to retry", {"type": "retry", "id": "x", "run_id": "r"}, "not_found"),
    ("a receipt that is a text", {"type": "received", "seq": "1"}, "invalid_field"),
    ("a receipt below nothing", {"type": "received", "seq": -1}, "invalid_field"),
    ("a receipt beyond numbers", {"type": "received", "seq": 2**70}, "invalid_field"),
    ("a receipt that is a fraction", {"type": "received", "seq": 1.5}, "invalid_field"),
]  # fmt: skip


async def test_a_bad_frame_gets_its_coded_error_and_changes_nothing(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as healthy, await ada.ready(thread_id) as tab:
        for what, frame, code in BAD_FRAMES:
            await tab.write(frame)
            error = await tab.until("error")
            assert error["code"] == code, what
            assert (
                {"type", "id", "code", "message"}
                <= set(error)
                <= {"type", "id", "code", "message", "details"}
            )
            named = frame.get("id") if isinstance(frame, dict) and code not in UNREADABLE else None
            assert error["id"] == (named if isinstance(named, str) else None), what
            assert error["message"], what
            assert len(json.dumps(error)) < 2000, what
            await tab.ask("ping")  # a good frame between: this is not somebody who cannot speak the protocol
        assert any_site.events(thread_id) == []
        assert [frame["type"] for frame in healthy.frames] == ["hello", "snapshot", "caught_up"]
        assert (await healthy.hear("say: still here"))["text"] == "still here"


async def test_who_sends_nothing_but_nonsense_is_closed_with_4400(any_site: Site) -> None:
    ada = await any_site.person()
    async with await ada.ready(await ada.thread()) as tab:
        await tab.write("nonsense")
        await tab.until("error")  # not the first time
        for _ in range(30):
            await tab.write("nonsense")
        assert await tab.closed() == 4400


async def test_a_text_of_the_longest_kind_is_taken_however_it_is_escaped(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        ack = await tab.say("😀" * 32_000)  # json escapes each as twelve characters
        message = (await tab.until("message_created"))["message"]
        assert message["text"] == "😀" * 32_000
        await tab.answer_of(ack["run_id"])


# A client that does not read


async def test_a_client_that_confirms_nothing_is_written_no_more_than_the_window_and_then_closed(
    strict_site: Site,
) -> None:
    ada = await strict_site.person()
    thread_id = await ada.thread()
    long = "say: " + "x" * 31_000
    async with await ada.ready(thread_id) as tab:
        for _ in range(20):  # each turn's frames carry the text some three times
            await tab.hear(long)
        watched = tab.state
    deaf = await ada.tab(thread_id, after=0, receipts=False)
    assert await deaf.closed() == 4408
    size = sum(len(json.dumps(frame)) for frame in deaf.events)
    assert 900_000 < size < 1_300_000
    # What it has not read waits in the log, and comes when it is back.
    state = State.of(*deaf.frames)
    async with await ada.ready(thread_id, after=state.seq, state=state) as back:
        assert back.state.shown()["messages"] == watched.shown()["messages"]
    # A snapshot is a frame that every server and client can carry: it begins later, and says so.
    async with await ada.ready(thread_id) as fresh:
        assert len(json.dumps(fresh.frames[1])) < 2**20
        assert fresh.state.has_more
        assert fresh.state.path == watched.path[-len(fresh.state.path) :]


async def test_the_hello_comes_before_any_heartbeat(strict_site: Site) -> None:
    ada = await strict_site.person()
    thread_id = await ada.thread()

    async def first_of() -> str:
        async with await ada.ready(thread_id) as tab:
            return str(tab.frames[0]["type"])

    for _ in range(12):  # the site's heart beats ten times a second
        assert set(await asyncio.gather(*(first_of() for _ in range(20)))) == {"hello"}


async def test_a_silent_socket_is_pinged(strict_site: Site) -> None:
    ada = await strict_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        assert tab.frames[0]["heartbeat_seconds"] == 1
        assert await tab.until("ping", seconds=3) == {"type": "ping"}
        await tab.write({"type": "pong"})  # which some clients send
        await tab.until("ping", seconds=3)
    async with ada.stream(thread_id) as stream:
        async with asyncio.timeout(5):
            async for _, _, line in stream:
                if line.startswith(":"):
                    break


async def test_commands_are_refused_where_too_many_wait(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        answers = await asyncio.gather(
            *(tab.ask("stop", id=f"s{n}") for n in range(300)), return_exceptions=True
        )
        codes = {answer.code for answer in answers if isinstance(answer, Refused)}
        assert codes <= {"nothing_to_stop", "rate_limited"}
        assert len(answers) == 300
        assert (await tab.hear("say: on"))["text"] == "on"
