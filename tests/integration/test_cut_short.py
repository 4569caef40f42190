"""An answer that the model's limit ended is complete, and says that there was more to come."""

from __future__ import annotations

from tests.fakes.openai_server import FakeOpenAI
from tests.site import Site

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
