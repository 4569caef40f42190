"""The agent over real checkpoints: it remembers, forks, is cut off, and goes on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from chat import events
from chat.agent import checkpoints, middleware
from chat.agent.painter.base import PaintError
from chat.agent.resume import Turn
from chat.agent.tools.generate_image import REPEATED
from chat.errors import RunLost
from tests.fakes.agents import Reply, ScriptedModel, ScriptedPainter, World, call, chunks, context
from tests.fakes.checkpointed import Attempt, Thread, outline

DEADLINE_SECONDS = 20


def parrot(messages: list[BaseMessage]) -> Reply:
    """Answers with what was said; calls tools when asked to paint, or to change the background twice at once."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return ["Done."]
    if "paint" in last.text:
        return ["I will paint.", call("generate_image", f"call-{last.id}", '{"prompt": "a fox"}')]
    if "both" in last.text:
        return [
            "Both.",
            call("set_background", f"one-{last.id}", '{"kind": "color", "value": "navy"}', 0),
            call("generate_image", f"two-{last.id}", '{"prompt": "a fox"}', 1),
        ]
    return list(chunks(f"You said: {last.text}"))


@pytest.fixture
def thread(pool: checkpoints.Pool) -> Thread:
    return Thread(pool, ScriptedModel(script=parrot))


def types(attempt: Attempt) -> list[str]:
    """The event types in order, neighbours of one type once."""
    seen: list[str] = []
    for event in attempt.seen:
        if event.type != "run_progress" and (not seen or seen[-1] != event.type):
            seen.append(event.type)
    return seen


async def test_a_thread_remembers_its_turns(thread: Thread) -> None:
    first = await thread.say("one")
    await thread.say("two")
    assert first.translation.text == "You said: one"
    assert outline(await thread.messages()) == [
        "human: one",
        "ai: You said: one",
        "human: two",
        "ai: You said: two",
    ]
    assert isinstance(thread.model.read[-1][0], SystemMessage)


async def test_painting_is_seen_as_call_progress_picture_and_answer(thread: Thread) -> None:
    painter = ScriptedPainter()
    attempt = await thread.say("paint", run_context=context(thread.world, painter))
    assert types(attempt) == [
        "assistant_delta", "agent_update", "tool_call_started", "tool_call_progress", "image_ready",
        "tool_call_completed", "agent_update", "assistant_delta", "agent_update",
    ]  # fmt: skip
    started = next(event for event in attempt.seen if isinstance(event, events.ToolCallStarted))
    ready = next(event for event in attempt.seen if isinstance(event, events.ImageReady))
    done = next(event for event in attempt.seen if isinstance(event, events.ToolCallCompleted))
    assert started.tool_call.text_offset == len("I will paint.")
    assert ready.tool_call_id == started.tool_call.id == done.tool_call.id
    assert done.tool_call.status == "succeeded"
    assert ready.image.id in (done.tool_call.result or "")
    assert attempt.translation.text == "I will paint.\n\nDone."
    assert thread.world.background == {"kind": "image", "image_id": ready.image.id}
    assert [len(thread.world.previews), len(painter.painted)] == [1, 1]


async def test_an_outside_painter_is_not_asked_again_in_silence(thread: Thread) -> None:
    """An attempt that died between the asking and the answer: nobody knows whether it was painted, and charged."""

    class BrokenOff(World):
        async def begin(self, tool_call_id: str, name: str) -> bool:
            await super().begin(tool_call_id, name)
            return await super().begin(tool_call_id, name)

    again = await thread.say("paint", run_context=context(BrokenOff(), ScriptedPainter(external=True)))
    said = [event.text for event in again.seen if isinstance(event, events.ToolCallProgress)]
    done = next(event for event in again.seen if isinstance(event, events.ToolCallCompleted))
    assert len(said) > 1
    assert set(said) == {REPEATED}
    assert REPEATED in (done.tool_call.result or "")

    once = await thread.say("paint", run_context=context(thread.world, ScriptedPainter(external=True)))
    assert REPEATED not in [event.text for event in once.seen if isinstance(event, events.ToolCallProgress)]


async def test_a_painter_s_failure_is_a_failed_call_that_the_model_hears_of(thread: Thread) -> None:
    painter = ScriptedPainter(PaintError("refused", "The picture was refused. Ask for another."))
    attempt = await thread.say("paint", run_context=context(thread.world, painter))
    done = next(event for event in attempt.seen if isinstance(event, events.ToolCallCompleted))
    assert (done.tool_call.status, done.tool_call.error) == (
        "failed",
        "The picture was refused. Ask for another.",
    )
    heard = thread.model.read[-1][-1]
    assert isinstance(heard, ToolMessage)
    assert (heard.status, heard.text) == ("error", "The picture was refused. Ask for another.")
    assert attempt.translation.text.endswith("Done.")


async def test_an_unforeseen_failure_of_a_tool_tells_nothing_of_the_server(thread: Thread) -> None:
    painter = ScriptedPainter(OSError("/secret/path"))
    attempt = await thread.say("paint", run_context=context(thread.world, painter))
    done = next(event for event in attempt.seen if isinstance(event, events.ToolCallCompleted))
    assert done.tool_call.status == "failed"
    assert "secret" not in (done.tool_call.error or "")


async def test_a_lost_run_ends_in_the_tool_and_writes_nothing_of_it(thread: Thread) -> None:
    attempt = await thread.begin("lost", HumanMessage("paint", id="h"))
    thread.world.lost = True
    with pytest.raises(RunLost):
        await attempt.read()
    assert outline(await thread.messages()) == ["human: paint", "ai: I will paint. +call-h"]


async def test_a_run_that_was_taken_over_stops_at_its_next_checkpoint(thread: Thread) -> None:
    async def lose() -> None:
        await thread.own("another")

    thread.model.script = lambda messages: ["Half of", lose(), " it."]
    attempt = await thread.begin("old", HumanMessage("hello", id="h"))
    with pytest.raises(RunLost):
        await attempt.read()
    assert await thread.messages() == []


@pytest.mark.parametrize(
    "arguments",
    ['{"kind": "color", "value"', "[1]", '{"kind": "colour"}', '{"kind": "color", "value": "url(x)"}'],
)
async def test_bad_arguments_come_back_to_the_model_as_a_failed_call(thread: Thread, arguments: str) -> None:
    def script(messages: list[BaseMessage]) -> Reply:
        if isinstance(messages[-1], ToolMessage):
            return ["Sorry."]
        return ["Wait.", call("set_background", "bad", arguments)]

    thread.model.script = script
    attempt = await thread.say("change it")
    done = next(event for event in attempt.seen if isinstance(event, events.ToolCallCompleted))
    assert (done.tool_call.id, done.tool_call.status) == ("bad", "failed")
    assert attempt.translation.text == "Wait.\n\nSorry."
    assert thread.world.background is None


async def test_a_model_that_calls_tools_without_end_must_answer_without_them(thread: Thread) -> None:
    def script(messages: list[BaseMessage]) -> Reply:
        return [call("set_background", f"call-{len(messages)}", '{"kind": "none"}')]

    thread.model.script = script
    with pytest.raises(middleware.TooManySteps):
        await (await thread.begin("endless", HumanMessage("go", id="h"))).read()
    assert len(thread.model.read) == middleware.MODEL_CALLS + 1


async def test_further_tool_calls_than_one_answer_may_make_are_answered_unmade(thread: Thread) -> None:
    def script(messages: list[BaseMessage]) -> Reply:
        if isinstance(messages[-1], ToolMessage):
            return ["Done."]
        return [
            call("set_background", f"c{at}", '{"kind": "none"}', at)
            for at in range(middleware.TOOL_CALLS + 2)
        ]

    thread.model.script = script
    attempt = await thread.say("many")
    failed = [c.id for c in attempt.translation.tool_calls.values() if c.status == "failed"]
    assert failed == [f"c{middleware.TOOL_CALLS}", f"c{middleware.TOOL_CALLS + 1}"]


async def test_stopped_in_mid_text_the_next_turn_knows_what_was_said(thread: Thread) -> None:
    await thread.say("one")
    attempt = await thread.begin("stopped", HumanMessage("two", id="h2"))
    await attempt.read(until=events.AssistantDelta)
    assert attempt.translation.text == "You said"
    thread.path.append(attempt.turn(complete=False))
    await thread.say("three")
    expected = ["human: one", "ai: You said: one", "human: two", "ai: You said", "human: three"]
    assert outline(thread.model.read[-1][1:]) == expected
    assert outline(await thread.messages()) == [*expected, "ai: You said: three"]


async def test_stopped_before_it_began_the_next_turn_knows_what_was_asked(thread: Thread) -> None:
    thread.path.append(Turn("never-ran", HumanMessage("zero", id="h0"), complete=False))
    await thread.say("one")
    thread.path.append(Turn("never-ran-2", HumanMessage("two", id="h2"), complete=False))
    await thread.say("three")
    assert outline(await thread.messages()) == [
        "human: zero", "human: one", "ai: You said: one", "human: two", "human: three", "ai: You said: three",
    ]  # fmt: skip


async def test_stopped_in_mid_tool_every_call_has_a_result_for_the_next_turn(thread: Thread) -> None:
    """Of two parallel calls one had ended: its result is real, the other's says that it was cancelled."""
    await thread.say("one")
    painter = ScriptedPainter()
    painter.go_on.clear()
    attempt = await thread.begin(
        "both", HumanMessage("both", id="h2"), run_context=context(thread.world, painter)
    )
    await asyncio.wait_for(attempt.read(until=events.ToolCallCompleted), DEADLINE_SECONDS)
    assert thread.world.background == {"kind": "color", "value": "navy"}
    attempt.seen += attempt.translation.abandon("cancelled", "Stopped.")
    assert [c.status for c in attempt.translation.tool_calls.values()] == ["succeeded", "cancelled"]
    thread.path.append(attempt.turn(complete=False))

    await thread.say("three")
    expected = [
        "human: one", "ai: You said: one",
        "human: both", "ai: Both. +one-h2 +two-h2",
        "tool one-h2: The background is the colour navy now.",
        "tool two-h2: Cancelled before it finished; nothing came of it.",
        "human: three",
    ]  # fmt: skip
    assert outline(thread.model.read[-1][1:]) == expected
    assert outline(await thread.messages()) == [*expected, "ai: You said: three"]
    await thread.say("four")
    assert outline(await thread.messages())[: len(expected)] == expected


async def test_a_failed_run_goes_on_from_its_last_checkpoint(thread: Thread) -> None:
    failures = [ConnectionError("cut")]

    def script(messages: list[BaseMessage]) -> Reply:
        if isinstance(messages[-1], ToolMessage):
            return ["Half a", failures.pop()] if failures else ["All of it."]
        return parrot(messages)

    thread.model.script = script
    human = HumanMessage("paint", id="h")
    failed = await thread.begin("retried", human)
    with pytest.raises(ConnectionError):
        await failed.read()
    assert failed.translation.text == "I will paint.\n\nHalf a"

    again = await thread.begin("retried", human, attempt=2, tool_calls=failed.translation.tool_calls)
    assert again.position.resumed
    assert again.translation.restarted().text == "I will paint."
    await again.read()
    assert again.translation.text == "I will paint.\n\nAll of it."
    assert "tool_call_started" not in types(again)
    assert len(thread.world.images) == 1
    assert outline(await thread.messages())[-1] == "ai: All of it."


async def test_a_failed_run_goes_on_though_the_thread_has_moved_on(thread: Thread) -> None:
    await thread.say("one")
    failures = [ConnectionError("cut")]
    thread.model.script = lambda m: ["Half", failures.pop()] if failures else parrot(m)
    human = HumanMessage("two", id="h2")
    failed = await thread.begin("failed", human)
    with pytest.raises(ConnectionError):
        await failed.read()
    base = list(thread.path)
    thread.path.append(failed.turn(complete=False))
    await thread.say("three")

    again = await thread.begin("failed", human, attempt=2, path=base)
    assert again.position.resumed
    await again.read()
    assert outline(await thread.messages(again.translation.checkpoint_id)) == [
        "human: one", "ai: You said: one", "human: two", "ai: You said: two",
    ]  # fmt: skip


async def test_regenerating_and_editing_fork_and_every_branch_keeps_its_own(thread: Thread) -> None:
    for text in ("one", "two", "three"):
        await thread.say(text)
    first, second, third = thread.path
    edited = await thread.begin("edit", HumanMessage("two, edited", id="edited"), path=[first])
    await edited.read()
    again = await thread.begin("again", second.human, path=[first])
    await again.read()
    one = ["human: one", "ai: You said: one"]
    two = ["human: two", "ai: You said: two"]
    assert outline(await thread.messages(edited.translation.checkpoint_id)) == [
        *one, "human: two, edited", "ai: You said: two, edited",
    ]  # fmt: skip
    assert outline(await thread.messages(again.translation.checkpoint_id)) == [*one, *two]

    # Each branch goes on, the first one too, though the thread has been elsewhere since.
    thread.path = [edited.turn(complete=True)]
    await thread.say("after the edit")
    thread.path = [third]
    await thread.say("four")
    assert outline(await thread.messages()) == [
        *one, *two, "human: three", "ai: You said: three", "human: four", "ai: You said: four",
    ]  # fmt: skip
    assert outline(await thread.messages(edited.translation.checkpoint_id))[2:] == [
        "human: two, edited", "ai: You said: two, edited",
    ]  # fmt: skip


async def test_editing_the_first_message_begins_with_nothing(thread: Thread) -> None:
    await thread.say("one")
    await thread.say("two")
    before = thread.path[-1]
    thread.path = []
    await thread.say("another one")
    assert outline(thread.model.read[-1][1:]) == ["human: another one"]
    await thread.say("and on")
    assert outline(await thread.messages()) == [
        "human: another one", "ai: You said: another one", "human: and on", "ai: You said: and on",
    ]  # fmt: skip
    assert len(await thread.messages(before.checkpoint_id)) == 4


async def test_an_edit_of_a_stopped_turn_leaves_nothing_of_it(thread: Thread) -> None:
    await thread.say("one")
    painter = ScriptedPainter()
    painter.go_on.clear()
    attempt = await thread.begin(
        "stopped", HumanMessage("both", id="h2"), run_context=context(thread.world, painter)
    )
    await asyncio.wait_for(attempt.read(until=events.ToolCallCompleted), DEADLINE_SECONDS)
    await thread.say("instead")
    assert outline(await thread.messages())[2:] == ["human: instead", "ai: You said: instead"]


async def test_a_checkpoint_id_that_is_not_known_is_looked_up_by_its_run(thread: Thread) -> None:
    await thread.say("one")
    stopped = await thread.begin("stopped", HumanMessage("two", id="h2"))
    await stopped.read(until=events.AssistantDelta)
    turn = replace(stopped.turn(complete=False), checkpoint_id=None)
    base = list(thread.path)
    thread.path = []
    await thread.say("elsewhere")
    thread.path = [*base, turn]
    await thread.say("three")
    assert outline(await thread.messages()) == [
        "human: one", "ai: You said: one", "human: two", "ai: You said", "human: three", "ai: You said: three",
    ]  # fmt: skip


async def test_a_dangling_call_is_mended_on_the_way_to_the_model(thread: Thread) -> None:
    """The net below the settlement: even a history that was never settled is valid when it is sent."""
    dangling = AIMessage(
        "Wait.", tool_calls=[{"name": "set_background", "args": {}, "id": "lost", "type": "tool_call"}]
    )
    attempt = await thread.begin("run", HumanMessage("go on", id="h"))
    attempt.parts = thread.agent.astream(
        {"messages": [HumanMessage("hello", id="h0"), dangling, attempt.human]},
        context=context(thread.world),
        stream_mode=["messages", "updates"],
        version="v2",
    )
    await attempt.read()
    assert outline(thread.model.read[-1][1:]) == [
        "human: hello", "ai: Wait. +lost",
        "tool lost: Cancelled before it finished; nothing came of it.", "human: go on",
    ]  # fmt: skip


async def test_content_blocks_and_reasoning_are_text_and_reasoning(thread: Thread) -> None:
    thread.model.script = lambda messages: [
        AIMessageChunk(content="", additional_kwargs={"reasoning_content": "Let me see. "}),
        AIMessageChunk(content=[{"type": "reasoning", "reasoning": "Well.", "index": 0}]),
        AIMessageChunk(content=[{"type": "text", "text": "Hello", "index": 1}]),
        AIMessageChunk(content=[{"type": "text", "text": " you.", "index": 1}]),
    ]
    attempt = await thread.say("hi")
    assert attempt.translation.text == "Hello you."
    assert attempt.translation.reasoning == "Let me see. Well."
    assert types(attempt) == ["reasoning_delta", "assistant_delta", "agent_update"]
