"""Commands: honoured once, in whatever way they come; queued, stopped or refused while a run is at work."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.client import Frame, Person, Refused, Tab
from tests.site import Site

LONG = "count to 1500"
"""Some seven seconds at the tests' pace: it never ends by itself in here."""


async def begun(tab: Tab, run_id: str) -> None:
    """Wait until the run has counted to three."""
    await tab.hears("1 2 3 ", run_id)


# Once


async def test_the_same_command_again_gets_the_same_answer_and_has_no_second_effect(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        first = await tab.say("say: once", id="c-1")
        await tab.answer_of(first["run_id"])
        assert await tab.say("say: once", id="c-1") == first
        async with await ada.ready(thread_id) as other:
            assert await other.say("say: once", id="c-1") == first
        fields = {"type": "send_message", "id": "c-1", "text": "say: once"}
        by_http = await ada.http.post(f"/threads/{thread_id}/commands", json=fields)
        assert by_http.json() == {name: value for name, value in first.items() if name != "type"}
        by_http = await ada.http.post(
            f"/threads/{thread_id}/messages", json={"id": "c-1", "text": "say: once"}
        )
        assert (by_http.status_code, by_http.json()["run_id"]) == (202, first["run_id"])
        assert (await ada.settled(thread_id)).texts == ["say: once", "once"]


async def test_of_the_same_command_from_two_tabs_at_once_one_takes_effect(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as one, await ada.ready(thread_id) as two:
        answers = await asyncio.gather(*(tab.say("say: once", id="c") for tab in (one, two, one, two)))
        assert [answer == answers[0] for answer in answers] == [True] * 4
        await one.answer_of(answers[0]["run_id"])
        assert (await ada.settled(thread_id)).texts == ["say: once", "once"]


async def test_an_id_that_was_used_for_something_else_is_a_conflict(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        await tab.hear("say: once", id="c")
        for again in ({"text": "say: twice"}, {"text": "say: once", "when_busy": "stop"}):
            with pytest.raises(Refused) as refused:
                await tab.say(id="c", **again)
            assert refused.value.code == "conflict"
        with pytest.raises(Refused) as refused:
            await tab.ask("stop", id="c")
        assert refused.value.code == "conflict"
        async with await ada.ready(await ada.thread()) as elsewhere:
            await elsewhere.hear("say: elsewhere", id="c")  # an id counts within its thread
        assert (await ada.settled(thread_id)).texts == ["say: once", "once"]


async def test_a_command_that_was_refused_may_be_sent_again(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        running = await tab.say(LONG)
        with pytest.raises(Refused) as refused:
            await tab.say("say: now", id="c", when_busy="reject")
        assert refused.value.code == "busy"
        assert refused.value.frame["details"]["run_id"] == running["run_id"]
        await tab.ask("stop")
        assert (await tab.hear("say: now", id="c", when_busy="reject"))["text"] == "now"


# While a run is at work


async def test_messages_sent_meanwhile_wait_and_are_answered_one_after_the_other(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        asks = [
            await tab.say("count to 60"),
            *[await tab.say(f"say: {word}") for word in ("two", "three", "four")],
        ]
        sent = {ask["message_id"] for ask in asks}
        await tab.holds(lambda state: sent <= state.messages.keys(), "the messages sent")
        waiting = [tab.state.messages[ask["message_id"]] for ask in asks[1:]]
        assert [message["status"] for message in waiting] == ["queued"] * 3
        assert tab.state.queued == [ask["message_id"] for ask in asks[1:]]
        async with await ada.ready(thread_id) as other:
            assert other.state.shown()["queued"] == tab.state.shown()["queued"]
        answers = [await tab.answer_of(ask["run_id"]) for ask in asks]
        assert [answer["text"] for answer in answers[1:]] == ["two", "three", "four"]
        expected = [
            id_
            for ask, answer in zip(asks, answers, strict=True)
            for id_ in (ask["message_id"], answer["id"])
        ]
        assert tab.state.path == expected
        parents = [tab.state.messages[id_]["parent_id"] for id_ in expected]
        assert parents == [None, *expected[:-1]]
        await ada.settled(thread_id)
        assert (await ada.fresh(thread_id)).path == expected


async def test_a_message_may_stop_what_is_at_work(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        first = await tab.say(LONG)
        waiting = await tab.say("say: never")
        await begun(tab, first["run_id"])
        answer = await tab.hear("say: at once", when_busy="stop")
        assert answer["text"] == "at once"
        stopped = tab.state.messages[tab.state.runs[first["run_id"]]["message_id"]]
        assert stopped["status"] == "stopped"
        assert stopped["text"].startswith("1 2 3")
        assert tab.state.runs[waiting["run_id"]]["status"] == "stopped"
        assert tab.state.messages[waiting["message_id"]]["status"] == "stopped"
        assert tab.state.texts == [LONG, stopped["text"], "say: never", "say: at once", "at once"]
        await ada.settled(thread_id)
        assert (await ada.fresh(thread_id)).texts == tab.state.texts


async def test_stop_works_from_another_tab_and_the_next_message_knows_the_partial_answer(
    any_site: Site,
) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab, await ada.ready(thread_id) as other:
        ack = await tab.say(LONG)
        await begun(other, ack["run_id"])
        assert (await other.ask("stop", id="s"))["run_ids"] == [ack["run_id"]]
        assert (await other.ask("stop", id="s"))["run_ids"] == [ack["run_id"]]
        answer = await tab.answer_of(ack["run_id"])
        assert answer["status"] == "stopped"
        assert answer["text"].startswith("1 2 3")
        assert "1500" not in answer["text"]
        assert answer["elapsed_ms"] is not None
        with pytest.raises(Refused) as refused:
            await other.ask("stop")
        assert refused.value.code == "nothing_to_stop"
        with pytest.raises(Refused) as refused:
            await other.ask("stop", run_id=ack["run_id"])
        assert refused.value.code == "nothing_to_stop"
        assert LONG in (await tab.hear("what did I say before this?"))["text"]
        for one in (tab, other):
            await one.reaches(max(tab.state.seq, other.state.seq))
        assert tab.state.shown() == other.state.shown()


async def test_a_queued_run_can_be_stopped_by_its_id_and_the_others_go_on(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        first = await tab.say("count to 100")
        second = await tab.say("say: second")
        third = await tab.say("say: third")
        await begun(tab, first["run_id"])
        stopped = await tab.ask("stop", run_id=second["run_id"])
        assert stopped["run_ids"] == [second["run_id"]]
        assert (await tab.answer_of(first["run_id"]))["text"].endswith("100")
        assert (await tab.answer_of(third["run_id"]))["text"] == "third"
        assert tab.state.runs[second["run_id"]]["status"] == "stopped"
        assert tab.state.messages[second["message_id"]]["status"] == "stopped"
        await ada.settled(thread_id)
        await tab.holds(lambda state: bool(state.thread and state.thread["title"]))
        assert tab.state.shown() == (await ada.fresh(thread_id)).shown()


async def test_stopping_the_run_at_work_lets_the_next_one_begin(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        first = await tab.say(LONG)
        second = await tab.say("say: second")
        await begun(tab, first["run_id"])
        await tab.ask("stop", run_id=first["run_id"])
        assert (await tab.answer_of(second["run_id"]))["text"] == "second"
        assert (await tab.answer_of(first["run_id"]))["status"] == "stopped"


async def test_stop_in_mid_tool_leaves_a_cancelled_card_and_no_picture(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        ack = await tab.say("paint a stormy sea at night")
        await tab.until("tool_call_progress", seconds=30)
        await tab.ask("stop")
        answer = await tab.answer_of(ack["run_id"])
        (call,) = answer["tool_calls"]
        assert (answer["status"], call["status"], call["error"]) == ("stopped", "cancelled", "Stopped.")
        assert call["duration_ms"] is not None
        assert answer["images"] == []
        assert (await tab.hear("say: next"))["text"] == "next"
        assert (await ada.http.get("/images")).json()["images"] == []
        fresh = await ada.settled(thread_id)
        await tab.reaches(fresh.seq)
        assert tab.state.shown() == fresh.shown()


async def test_stop_before_anything_was_said(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        for _ in range(5):  # the worker is anywhere between taking the job and the first token
            ack = await tab.say(LONG)
            assert (await tab.ask("stop"))["run_ids"] == [ack["run_id"]]
        assert (await tab.hear("say: fine"))["text"] == "fine"
        await ada.settled(thread_id)
        await tab.holds(lambda state: bool(state.thread and state.thread["title"]))
        assert tab.state.shown() == (await ada.fresh(thread_id)).shown()


# Branches


async def test_a_parent_makes_a_branch_that_every_tab_shows(any_site: Site) -> None:
    ada = await any_site.person()
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab, await ada.ready(thread_id) as other:
        one = await tab.hear("my name is Ada")
        await tab.hear("my name is Grace")
        ack = await tab.say("what is my name?", parent_id=one["id"])
        answer = await tab.answer_of(ack["run_id"])
        assert "Ada" in answer["text"]
        selected = next(event for event in tab.events if event["type"] == "branch_selected")
        assert selected["head_id"] == ack["message_id"]
        assert [message["id"] for message in selected["messages"]] == [ack["message_id"]]
        asked = tab.state.messages[ack["message_id"]]
        assert (asked["parent_id"], asked["sibling_index"], asked["sibling_count"]) == (one["id"], 1, 2)
        assert tab.state.texts == ["my name is Ada", one["text"], "what is my name?", answer["text"]]
        await other.reaches(tab.state.seq)
        assert other.state.shown() == tab.state.shown()
        fresh = await ada.settled(thread_id)
        await tab.reaches(fresh.seq)
        assert tab.state.shown() == fresh.shown()


async def test_a_parent_that_was_named_counts_for_a_message_that_waits_too(ada: Person) -> None:
    thread_id = await ada.thread()
    async with await ada.ready(thread_id) as tab:
        one = await tab.hear("my name is Ada")
        await tab.hear("my name is Grace")
        first = await tab.say("count to 60")
        ack = await tab.say("what is my name?", parent_id=one["id"])
        await tab.answer_of(first["run_id"])
        answer = await tab.answer_of(ack["run_id"])
        assert "Ada" in answer["text"]
        assert tab.state.texts == ["my name is Ada", one["text"], "what is my name?", answer["text"]]
        fresh = await ada.settled(thread_id)
        await tab.reaches(fresh.seq)
        assert tab.state.shown() == fresh.shown()


async def test_a_parent_of_another_thread_is_not_found(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab, await ada.ready(await ada.thread()) as other:
        answer = await tab.hear("say: one")
        with pytest.raises(Refused) as refused:
            await other.say("say: two", parent_id=answer["id"])
        assert refused.value.code == "not_found"
        assert other.events == []


async def commands_of(tab: Tab) -> list[Frame]:
    return [frame for frame in tab.frames if frame["type"] in ("ack", "error")]


async def test_commands_are_answered_in_the_order_they_came(ada: Person) -> None:
    async with await ada.ready(await ada.thread()) as tab:
        ids = [str(uuid.uuid4()) for _ in range(10)]
        for id_ in ids:
            await tab.write({"type": "send_message", "id": id_, "text": "say: x"})
        for id_ in ids:
            await tab.until("ack", id=id_)
        await tab.ask("stop")
        assert [frame["id"] for frame in await commands_of(tab)][:10] == ids
