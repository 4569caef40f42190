"""LangGraph's stream parts become events: told part by part, without a graph."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from chat import events
from chat.agent.stream import Translation
from chat.agent.voice import Said

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, milliseconds: int) -> None:
        self.now += timedelta(milliseconds=milliseconds)


class Told:
    """A translation and everything it has said."""

    def __init__(self, **more: Any) -> None:
        self.clock = Clock()
        self.translation = Translation(run_id="run", message_id="answer", attempt=1, clock=self.clock, **more)

    def part(self, kind: str, data: Any, ns: tuple[str, ...] = ()) -> list[events.Event]:
        return self.translation.translate({"type": kind, "ns": ns, "data": data})

    def chunk(
        self, content: Any, *, message_id: str = "m1", step: str = "model:1", node: str = "model", **more: Any
    ) -> list[Any]:
        message = AIMessageChunk(content=content, id=message_id, **more)
        return self.part("messages", (message, {"langgraph_node": node, "langgraph_checkpoint_ns": step}))

    def update(self, node: str, *messages: BaseMessage) -> list[Any]:
        return self.part("updates", {node: {"messages": list(messages)}})

    def checkpoint(
        self, *messages: BaseMessage, nodes: tuple[str, ...] = (), source: str = "loop", results: Any = ()
    ) -> list[Any]:
        tasks = [{"id": "t", "name": "tools", "interrupts": (), "state": None, "result": r} for r in results]
        return self.part(
            "checkpoints",
            {
                "config": {"configurable": {"thread_id": "thread", "checkpoint_id": "c"}},
                "metadata": {"source": source, "step": 1},
                "values": {"messages": [HumanMessage("hi", id="h"), *messages]},
                "next": list(nodes),
                "tasks": tasks,
            },
        )


def calling(*ids: str, text: str = "Wait.", message_id: str = "m1") -> AIMessage:
    calls: Any = [
        {"name": "paint", "args": {"prompt": "a fox"}, "id": call_id, "type": "tool_call"} for call_id in ids
    ]
    return AIMessage(text, id=message_id, tool_calls=calls)


def result(call_id: str, text: str = "Painted.", **more: Any) -> ToolMessage:
    return ToolMessage(text, tool_call_id=call_id, name="paint", id=f"result-{call_id}", **more)


def said(out: list[Any]) -> str:
    return "".join(event.text for event in out if isinstance(event, events.AssistantDelta))


def types(out: list[Any]) -> list[str]:
    return [event.type for event in out]


def test_chunks_of_the_model_are_deltas() -> None:
    told = Told()
    assert said(told.chunk("Hel") + told.chunk("") + told.chunk("lo")) == "Hello"
    assert told.translation.text == "Hello"
    assert types(told.update("model", AIMessage("Hello", id="m1"))) == ["agent_update"]
    assert told.translation.text == "Hello"


def test_other_nodes_other_graphs_and_tool_results_are_no_text() -> None:
    told = Told()
    metadata = {"langgraph_node": "tools", "langgraph_checkpoint_ns": "tools:1"}
    assert told.chunk("inner", node="summarize") == []
    assert told.part("messages", (result("c"), metadata)) == []
    assert (
        told.part("messages", (AIMessageChunk(content="x"), {"langgraph_node": "model"}), ns=("sub:1",)) == []
    )
    assert told.part("unheard-of", {}) == []
    assert told.translation.text == ""


def test_steps_are_joined_by_a_blank_line() -> None:
    told = Told()
    out = told.chunk("One.") + told.update("model", calling("c", text="One."))
    out += told.chunk("Two.", message_id="m2", step="model:2")
    assert said(out) == told.translation.text == "One.\n\nTwo."


def test_a_step_without_text_makes_no_gap() -> None:
    told = Told()
    out = told.update("model", calling("c", text="")) + told.chunk("Two.", message_id="m2", step="model:2")
    assert said(out) == told.translation.text == "Two."


def test_a_retry_of_a_step_takes_its_text_back_and_only_its() -> None:
    told = Told()
    told.chunk("One.")
    told.update("model", calling("c", text="One."))
    told.chunk("Half of", message_id="m2", step="model:2")
    out = told.chunk("Two", message_id="m3", step="model:2")
    assert types(out) == ["message_restarted", "assistant_delta"]
    assert out[0].text == "One."
    assert told.translation.text == "One.\n\nTwo"


def test_words_that_came_past_langchain_are_not_said_twice() -> None:
    told = Told()
    out = told.part("custom", Said("m1", reasoning="Hm.")) + told.part("custom", Said("m1", "Hel"))
    out += told.part("custom", Said("m1", "lo\x00"))
    assert types(out) == ["reasoning_delta", "assistant_delta", "assistant_delta"]
    assert said(out) == told.translation.text == "Hello"
    assert told.chunk("Hello", message_id="m1") == []
    assert told.chunk("", message_id="langchain's own, of the end") == []
    whole = AIMessage("Hello", id="m1", additional_kwargs={"reasoning_content": "Hm."})
    assert types(told.update("model", whole)) == ["agent_update"]


def test_a_second_try_takes_back_what_came_past_langchain() -> None:
    told = Told()
    told.part("custom", Said("m1", "Half"))
    out = told.part("custom", Said("m2", "Other"))
    out += told.chunk("Third", message_id="m3")
    assert types(out) == ["message_restarted", "assistant_delta"] * 2
    assert told.translation.text == "Third"


def test_a_model_that_does_not_stream_is_said_when_its_step_ends() -> None:
    told = Told()
    assert said(told.update("model", AIMessage("All at once.", id="m1"))) == "All at once."
    assert told.translation.text == "All at once."


def test_a_message_that_ends_longer_than_it_streamed_is_completed() -> None:
    told = Told()
    assert said(told.chunk("Hel") + told.update("model", AIMessage("Hello", id="m1"))) == "Hello"


def test_a_message_that_ends_otherwise_than_it_streamed_is_restarted() -> None:
    told = Told()
    told.chunk("Hallo")
    out = told.update("model", AIMessage("Hello", id="m1"))
    assert types(out) == ["message_restarted", "agent_update"]
    assert out[0].text == told.translation.text == "Hello"


def test_content_blocks_refusals_and_reasoning_are_told_apart() -> None:
    told = Told()
    out = told.chunk("", additional_kwargs={"reasoning_content": "Hm. "})
    out += told.chunk([{"type": "thinking", "thinking": "Well. "}])
    out += told.chunk([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "So."}]}])
    out += told.chunk([{"type": "text", "text": "Yes"}, {"type": "refusal", "refusal": ", but no."}])
    assert "".join(event.text for event in out if isinstance(event, events.ReasoningDelta)) == "Hm. Well. So."
    assert told.translation.reasoning == "Hm. Well. So."
    assert said(out) == "Yes, but no."


def test_reasoning_that_came_only_whole_is_told_at_the_end() -> None:
    told = Told()
    out = told.update("model", AIMessage("Yes.", id="m1", additional_kwargs={"reasoning_content": "Hm."}))
    assert types(out) == ["reasoning_delta", "assistant_delta", "agent_update"]


def test_reasoning_of_a_retried_step_is_taken_back_with_its_text() -> None:
    told = Told()
    told.chunk("One.", additional_kwargs={"reasoning_content": "First."})
    told.update("model", AIMessage("One.", id="m1", additional_kwargs={"reasoning_content": "First."}))
    (second,) = told.chunk(
        "", message_id="m2", step="model:2", additional_kwargs={"reasoning_content": "Sec"}
    )
    assert second.text == "\n\nSec"
    restarted, again = told.chunk(
        "", message_id="m3", step="model:2", additional_kwargs={"reasoning_content": "Second."}
    )
    assert (restarted.text, restarted.reasoning) == ("One.", "First.")
    assert again.text == "\n\nSecond."
    assert told.translation.reasoning == "First.\n\nSecond."


def test_a_call_is_started_when_it_is_stored_not_before() -> None:
    told = Told()
    told.chunk("Wait.")
    assert types(told.update("model", calling("c"))) == ["agent_update"]
    out = told.checkpoint(calling("c"), nodes=("tools",))
    assert types(out) == ["tool_call_started", "run_progress"]
    call = out[0].tool_call
    assert (call.id, call.name, call.args, call.status) == ("c", "paint", {"prompt": "a fox"}, "running")
    assert (call.run_id, call.message_id, call.text_offset) == ("run", "answer", 5)
    assert types(told.checkpoint(calling("c"), nodes=("tools",))) == ["run_progress"], "started twice"


def test_the_place_of_a_call_is_counted_in_code_points() -> None:
    told = Told()
    out = told.checkpoint(
        calling("a", text="🦊🦊"), result("a"), calling("b", text="é", message_id="m2"), nodes=("tools",)
    )
    started = [e.tool_call for e in out if isinstance(e, events.ToolCallStarted)]
    assert [(call.id, call.text_offset) for call in started] == [("a", 2), ("b", 5)]


def test_the_input_s_checkpoint_shows_no_calls_of_earlier_turns() -> None:
    told = Told()
    assert types(told.checkpoint(calling("old"), nodes=("__start__",), source="input")) == []


def test_progress_is_kept_with_its_call_and_the_last_preview_stands() -> None:
    told = Told()
    told.checkpoint(calling("c"), nodes=("tools",))
    first = {
        "type": "tool_call_progress",
        "tool_call_id": "c",
        "progress": 0.2,
        "text": "sky",
        "preview_url": "/1",
    }
    told.part("custom", first)
    (second,) = told.part("custom", first | {"progress": 0.5, "text": "sea", "preview_url": None})
    assert isinstance(second, events.ToolCallProgress)
    assert (second.progress, second.text, second.preview_url) == (0.5, "sea", "/1")
    call = told.translation.tool_calls["c"]
    assert (call.progress, call.text, call.preview_url) == (0.5, "sea", "/1")


def test_a_result_completes_its_call_with_how_long_it_took() -> None:
    told = Told()
    told.checkpoint(calling("c", "d"), nodes=("tools",))
    told.clock.pass_by(1500)
    good, update = told.update("tools", result("c"))
    assert (good.tool_call.status, good.tool_call.result, good.tool_call.error) == (
        "succeeded",
        "Painted.",
        None,
    )
    assert (good.tool_call.duration_ms, good.tool_call.progress) == (1500, 1.0)
    assert update.data == {"tool": "paint", "status": "succeeded"}
    bad, _ = told.update("tools", result("d", "No paint.", status="error"))
    assert (bad.tool_call.status, bad.tool_call.result, bad.tool_call.error) == ("failed", None, "No paint.")
    assert types(told.update("tools", result("c"))) == ["agent_update"], "completed twice"


def test_a_call_answered_within_its_own_step_is_started_and_ended_with_the_checkpoint() -> None:
    """The arguments were no JSON: the middleware answers in the tool's place."""
    told = Told()
    told.update("model", calling("c"), result("c", "No JSON.", status="error"))
    out = told.checkpoint(calling("c"), result("c", "No JSON.", status="error"), nodes=("model",))
    assert types(out) == ["tool_call_started", "tool_call_completed", "run_progress"]
    assert out[1].tool_call.status == "failed"


def test_an_attempt_that_takes_over_shows_what_was_stored_and_not_shown() -> None:
    stored = [calling("a"), result("a"), calling("b", "c", text="More.", message_id="m2")]
    told = Told(answered=stored)
    assert told.translation.restarted().text == "Wait.\n\nMore."
    out = told.checkpoint(*stored, nodes=("tools", "tools"), results=[{"messages": [result("b")]}])
    assert [(e.type, e.tool_call.id) for e in out if hasattr(e, "tool_call")] == [
        ("tool_call_started", "a"), ("tool_call_completed", "a"),
        ("tool_call_started", "b"), ("tool_call_completed", "b"),
        ("tool_call_started", "c"),
    ]  # fmt: skip
    assert types(told.update("tools", result("b"))) == ["agent_update"]


def test_an_attempt_that_takes_over_repeats_nothing_that_was_shown() -> None:
    before = Told()
    before.checkpoint(calling("a", "b"), nodes=("tools", "tools"))
    before.update("tools", result("a"))
    told = Told(answered=[calling("a", "b")], tool_calls=before.translation.tool_calls)
    waiting = [{"messages": [result("a")]}]
    assert types(told.checkpoint(calling("a", "b"), nodes=("tools", "tools"), results=waiting)) == [
        "run_progress"
    ]


def test_a_call_that_was_given_up_and_is_made_again_is_started_again() -> None:
    before = Told()
    before.checkpoint(calling("a"), nodes=("tools",))
    before.translation.abandon("cancelled", "Stopped.")
    told = Told(answered=[calling("a")], tool_calls=before.translation.tool_calls)
    assert types(told.checkpoint(calling("a"), nodes=("tools",))) == ["tool_call_started", "run_progress"]


def test_abandoning_ends_every_open_call_and_no_other() -> None:
    told = Told()
    told.checkpoint(calling("a", "b"), nodes=("tools",))
    told.update("tools", result("a"))
    (event,) = told.translation.abandon("cancelled", "Stopped.")
    assert isinstance(event, events.ToolCallCompleted)
    assert (event.tool_call.id, event.tool_call.status, event.tool_call.error) == (
        "b",
        "cancelled",
        "Stopped.",
    )
    assert told.translation.abandon("cancelled", "Stopped.") == []


def test_a_picture_is_announced_as_the_tool_says_it() -> None:
    told = Told()
    image = {
        "id": "i", "thread_id": None, "run_id": None, "tool_call_id": "c", "prompt": "a fox", "url": "/i",
        "thumbnail_url": "/t", "width": 1, "height": 1, "accent": None, "created_at": START.isoformat(),
    }  # fmt: skip
    (event,) = told.part(
        "custom", {"type": "image_ready", "url": "/i", "prompt": "a fox", "tool_call_id": "c", "image": image}
    )
    assert isinstance(event, events.ImageReady)
    assert event.image.id == "i"


def test_a_tool_s_own_events_pass_through_by_their_name() -> None:
    told = Told()
    assert told.part("custom", {"name": "weather", "value": 3}) == [events.Custom(name="weather", value=3)]
    assert told.part("custom", {"type": "weather", "wind": 3}) == [
        events.Custom(name="weather", value={"wind": 3})
    ]
    assert told.part("custom", "no name") == []
    assert told.part("custom", {"value": 3}) == []


def test_tokens_are_counted_over_the_steps_and_over_the_attempts() -> None:
    usage: Any = {
        "input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
        "input_token_details": {"cache_read": 4}, "output_token_details": {"reasoning": 2},
    }  # fmt: skip
    first = calling("c").model_copy(update={"usage_metadata": usage})
    told = Told(answered=[first])
    told.clock.pass_by(40)
    (update,) = told.update("model", AIMessage("", id="m2", usage_metadata=usage))
    assert update.data == {"tokens": 15}
    assert told.translation.usage == {
        "input_tokens": 20, "output_tokens": 10, "total_tokens": 30, "cached_tokens": 8, "reasoning_tokens": 4,
    }  # fmt: skip
    progress = told.checkpoint(nodes=("model",))[-1]
    assert (progress.status, progress.current_step, progress.tokens, progress.elapsed_ms) == (
        "running",
        "model",
        30,
        40,
    )
    assert told.translation.checkpoint_id == "c"


def test_updates_without_messages_and_langgraph_s_own_are_no_harm() -> None:
    told = Told()
    assert types(told.part("updates", {"model": None})) == ["agent_update"]
    assert types(told.part("updates", {"__interrupt__": ()})) == []
    assert said(told.part("updates", {"model": [None, {"messages": AIMessage("Hi", id="m1")}]})) == "Hi"
