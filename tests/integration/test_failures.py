"""A run that fails says why in words that a person can act on, and can be retried; against the fake OpenAI server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client import Person, Refused
from tests.conftest import StartServer
from tests.fakes.openai_server import FakeOpenAI
from tests.services.databases import Database
from tests.services.process import free_port
from tests.site import Site, check_event, new_person

Turn = dict[str, Any]


@pytest.fixture
async def grace(fake_site: Site, openai: FakeOpenAI) -> Person:
    openai.forget()
    return await fake_site.person()


SETTINGS = {"model_not_found": "CHAT_MODEL", "model_key_rejected": "OPENAI_API_KEY"}
"""What a person would change, by the code."""


@pytest.mark.parametrize(
    ("turn", "code", "retryable", "said"),
    [
        ({"status": 500, "times": 9}, "model_unavailable", True, ""),
        ({"text": "one two three four", "after": 3, "then": "cut"}, "model_cut_off", True, "one two"),
        ({"text": "one two three four", "after": 3, "then": "end"}, "model_cut_off", True, "one two"),
        ({"text": "one two", "finish_reason": None}, "model_cut_off", True, "one two"),
        ({"text": "one two three", "after": 3, "then": "error"}, "model_failed", True, "one two"),
        ({"status": 429, "times": 9, "headers": {"retry-after": "0"}}, "model_busy", True, ""),
        ({"raw": ["this is no event stream"]}, "model_bad_answer", True, ""),
        ({"raw": ["data: {no json\n\n"]}, "model_bad_answer", True, ""),
        ({"status": 404, "times": 9}, "model_not_found", True, ""),
        ({"status": 401, "times": 9}, "model_key_rejected", True, ""),
        (
            {"status": 400, "error": {"message": "too long", "code": "context_length_exceeded"}},
            "context_too_long",
            False,
            "",
        ),
    ],
)
async def test_a_failure_is_told_and_a_retry_goes_on(
    fake_site: Site, grace: Person, openai: FakeOpenAI, turn: Turn, code: str, retryable: bool, said: str
) -> None:
    thread_id = await grace.thread()
    openai.script({**turn, "when": "hello there"})
    async with await grace.ready(thread_id) as tab:
        ack = await tab.say("hello there")
        answer = await tab.answer_of(ack["run_id"])
        failed = next(event for event in tab.events if event["type"] == "run_failed")
        check_event(failed)
        error = failed["error"]
        assert (error["code"], error["retryable"]) == (code, retryable)
        assert len(error["message"]) > 20
        assert SETTINGS.get(code, "") in error["message"]
        assert failed["run"]["error"] == error == answer["error"]
        assert (answer["status"], answer["text"]) == ("failed", said)
        assert tab.state.shown() == (await grace.fresh(thread_id)).shown()  # the reason survives a reload
        openai.forget()
        openai.script({"text": "Now it works.", "when": "hello there"})
        assert (await tab.ask("retry", run_id=ack["run_id"], id="r"))["run_id"] == ack["run_id"]
        # Between the retry and its end every tab shows the same.
        assert tab.state.shown().keys() == (await grace.fresh(thread_id)).shown().keys()
        answer = await tab.answer_of(ack["run_id"])
        assert (answer["status"], answer["text"], answer["error"]) == ("complete", "Now it works.", None)
        assert "message_restarted" in [event["type"] for event in tab.events]
        assert tab.state.runs[ack["run_id"]]["attempt"] == 2
        settled = await grace.settled(thread_id)
        await tab.reaches(settled.seq)
        assert tab.state.shown() == settled.shown()
        assert openai.count("hello there") == 1  # a retry asks the model once
        with pytest.raises(Refused) as refused:
            await tab.ask("retry", run_id=ack["run_id"])
        assert refused.value.code == "conflict"


async def test_a_retry_that_waits_looks_the_same_to_who_watched_and_who_comes(
    grace: Person, openai: FakeOpenAI
) -> None:
    thread_id = await grace.thread()
    openai.script({"text": "one two three", "after": 3, "then": "cut", "when": "slow"})
    async with await grace.ready(thread_id) as tab:
        ack = await tab.say("slow")
        await tab.answer_of(ack["run_id"])
        openai.script({"text": "four five", "first_token_seconds": 1, "when": "slow"})
        await tab.ask("retry", run_id=ack["run_id"])
        await tab.until("run_started")
        await tab.until("run_started")
        await tab.until("message_restarted", attempt=2)
        fresh = await grace.fresh(thread_id)
        await tab.reaches(fresh.seq)
        if tab.state.seq == fresh.seq:
            assert tab.state.shown() == fresh.shown()
        assert tab.state.last["status"] == "streaming"
        assert (await tab.answer_of(ack["run_id"]))["text"] == "four five"


async def test_a_retry_can_be_stopped_and_what_was_said_stays(grace: Person, openai: FakeOpenAI) -> None:
    async with await grace.ready(await grace.thread()) as tab:
        openai.script({"text": "one two three", "after": 3, "then": "cut", "when": "slow"})
        ack = await tab.say("slow")
        await tab.answer_of(ack["run_id"])
        openai.script({"text": "four five", "first_token_seconds": 10, "when": "slow"})
        await tab.ask("retry", run_id=ack["run_id"])
        await tab.ask("stop")
        assert (await tab.answer_of(ack["run_id"]))["status"] == "stopped"
        assert (await tab.hear("again"))["text"] == "You said: again"


async def test_a_failed_run_of_a_thread_that_went_on_is_not_retried(
    grace: Person, openai: FakeOpenAI
) -> None:
    async with await grace.ready(await grace.thread()) as tab:
        openai.script({"status": 400})
        ack = await tab.say("first")
        await tab.answer_of(ack["run_id"])
        assert (await tab.hear("second"))["text"] == "You said: second"
        with pytest.raises(Refused) as refused:
            await tab.ask("retry", run_id=ack["run_id"])
        assert refused.value.code == "conflict"
        # What was asked and not answered is still part of what the model reads.
        asked = [request for request in openai.requests if request["prompt"] == "second"]
        assert asked[0]["roles"][-2:] == ["user", "user"]


async def test_a_server_that_is_not_there_is_named(server: StartServer, database: Database) -> None:
    web = await server(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1", CHAT_MODEL="fake")
    ada = new_person(database, web.url)
    async with await ada.ready(await ada.thread()) as tab:
        answer = await tab.hear("hello", seconds=20)
        assert answer["error"]["code"] == "model_unreachable"
        assert "OPENAI_BASE_URL" in answer["error"]["message"]


async def test_a_chat_with_reasoning_tools_and_a_picture_from_the_provider(
    fake_site: Site, grace: Person, openai: FakeOpenAI
) -> None:
    thread_id = await grace.thread()
    openai.script(
        {
            "when": "a fox, please",
            "reasoning": "They want a fox.",
            "text": "I paint it.",
            "tool_calls": [{"name": "generate_image", "arguments": {"prompt": "a fox", "size": "square"}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        },
        {
            "when": "a fox, please",
            "text": "There it is.",
            "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27},
        },
    )
    async with await grace.ready(thread_id) as tab:
        ack = await tab.say("a fox, please")
        answer = await tab.answer_of(ack["run_id"], seconds=30)
        for event in tab.events:
            check_event(event)
        told = [event["type"] for event in tab.events if event["type"] in STORY]
        assert list(dict.fromkeys(told)) == STORY
        assert answer["reasoning"] == "They want a fox."
        assert answer["text"] == "I paint it.\n\nThere it is."
        (call,) = answer["tool_calls"]
        assert (call["status"], call["args"], call["text_offset"]) == (
            "succeeded",
            {"prompt": "a fox", "size": "square"},
            len("I paint it."),
        )
        (image,) = answer["images"]
        assert (image["prompt"], image["width"], image["height"]) == ("a fox", 1024, 1024)
        assert openai.count("a fox") == 1
        previews = {event["preview_url"] for event in tab.events if event["type"] == "tool_call_progress"}
        assert len(previews - {None}) >= 2
        usage = tab.state.runs[ack["run_id"]]["usage"]
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"]) == (30, 12)
        assert tab.state.thread is not None
        assert tab.state.thread["background"]["image_id"] == image["id"]
        settled = await grace.settled(thread_id)
        await tab.reaches(settled.seq)
        assert tab.state.shown() == settled.shown()
        file = await grace.http.get(f"{grace.url}{image['url']}")
        assert file.headers["content-type"] == "image/webp"


STORY = [
    "reasoning_delta",
    "assistant_delta",
    "tool_call_started",
    "tool_call_progress",
    "image_ready",
    "tool_call_completed",
    "message_completed",
]


async def test_a_tool_that_fails_ends_as_a_card_and_the_model_goes_on(
    grace: Person, openai: FakeOpenAI
) -> None:
    openai.script(
        {"on": "images", "status": 400, "error": {"message": "no", "code": "moderation_blocked"}, "times": 5}
    )
    async with await grace.ready(await grace.thread()) as tab:
        answer = await tab.hear("paint something", seconds=20)
        (call,) = answer["tool_calls"]
        assert (call["status"], call["result"]) == ("failed", None)
        assert call["error"]
        assert answer["status"] == "complete"
        assert answer["text"].endswith("Done, as you asked.")
        assert tab.state.last["images"] == []


async def test_what_no_row_can_hold_does_not_leave_a_run_spinning(grace: Person, openai: FakeOpenAI) -> None:
    nul = {"name": "set_background", "arguments": {"kind": "color", "value": "na\0vy"}}
    for turn in ({"text": "zero \0 byte"}, {"text": "A tool.", "tool_calls": [nul]}):
        openai.script({**turn, "when": "odd"})
        async with await grace.ready(await grace.thread()) as tab:
            answer = await tab.hear("odd", seconds=10)
            assert answer["status"] in ("complete", "failed")
            assert (await tab.hear("next"))["text"] == "You said: next"


async def test_a_model_that_hangs_can_be_stopped(grace: Person, openai: FakeOpenAI) -> None:
    async with await grace.ready(await grace.thread()) as tab:
        openai.script({"text": "one two three", "after": 3, "then": "stall", "when": "hang"})
        ack = await tab.say("hang")
        await tab.until("assistant_delta")
        await tab.holds(lambda state: state.said == "one two")
        async with asyncio.timeout(5):
            await tab.ask("stop")
            answer = await tab.answer_of(ack["run_id"])
        assert (answer["status"], answer["text"]) == ("stopped", "one two")
        assert (await tab.hear("next"))["text"] == "You said: next"
