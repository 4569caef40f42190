"""An answer that a limit ended, the model's own or the site's, is complete, and says that there was more to come."""

from __future__ import annotations

import asyncio

import pytest

from chat.agent.openai_stream import ANSWER_BYTES_MAX
from tests.conftest import StartServer
from tests.fakes.openai_server import FakeOpenAI
from tests.services.app import Kind
from tests.services.databases import Database
from tests.site import Site, new_person

CUT_SHORT = {"code": "cut_short", "message": "The model's limit ended this answer here.", "retryable": False}


async def test_an_answer_at_the_model_s_limit_says_so_live_and_afterwards(
    fake_site: Site, openai: FakeOpenAI
) -> None:
    ada = await fake_site.person()
    thread_id = await ada.thread()
    openai.script({"text": "one two three", "finish_reason": "length", "when": "a long story"})
    openai.script({"text": "four", "when": "go on"})
    async with await ada.ready(thread_id) as tab:
        told = await tab.say("a long story")
        answer = await tab.answer_of(told["run_id"])
        assert (answer["status"], answer["text"], answer["error"]) == ("complete", "one two three", CUT_SHORT)
        run = (await tab.until("run_completed"))["run"]
        assert (run["status"], run["error"]) == ("completed", CUT_SHORT)
        told = await tab.say("go on")
        answer = await tab.answer_of(told["run_id"])
        assert (answer["status"], answer["text"], answer["error"]) == ("complete", "four", None)
        assert tab.state.shown() == (await ada.fresh(thread_id)).shown()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_an_answer_that_does_not_end_is_cut_short_and_fits_into_a_frame(
    server: StartServer, database: Database, openai: FakeOpenAI, kind: Kind
) -> None:
    web = await server(kind, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=openai.base_url, CHAT_MODEL="fake")
    ada = await asyncio.to_thread(new_person, database, web.url)
    thread_id = await ada.thread()
    asked = f"never end on {kind}"
    endless = {"reasoning": "why? " * 20_000, "text": "again and “again” " * 170_000, "when": asked}
    openai.script(endless)
    async with await ada.ready(thread_id) as tab:
        told = await tab.say(asked)
        answer = await tab.answer_of(told["run_id"], seconds=30)
        assert (answer["status"], answer["error"]) == ("complete", CUT_SHORT)
        assert endless["text"].startswith(answer["text"])
        assert answer["reasoning"] == endless["reasoning"]
        said = len((answer["text"] + endless["reasoning"]).encode())
        assert ANSWER_BYTES_MAX <= said < ANSWER_BYTES_MAX + 1000
        fresh = await ada.settled(thread_id)
        assert (await tab.reaches(fresh.seq)).shown() == fresh.shown()
    assert openai.count(asked) == 1
    await ada.close()
