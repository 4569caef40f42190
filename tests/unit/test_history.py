"""Reading a path's messages, and settling a turn that was cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from chat import objects
from chat.agent import history
from chat.agent.resume import Turn, settlement


def calling(*ids: str) -> AIMessage:
    calls: Any = [{"name": "paint", "args": {}, "id": call_id, "type": "tool_call"} for call_id in ids]
    return AIMessage("Wait.", id="-".join(ids), tool_calls=calls)


def result(call_id: str) -> ToolMessage:
    return ToolMessage("Painted.", tool_call_id=call_id)


def row(call_id: str, status: objects.ToolCallStatus, *, text: str | None = None) -> objects.ToolCall:
    return objects.ToolCall(
        id=call_id, run_id="r", message_id="m", name="paint", args={}, status=status, progress=None, text="",
        preview_url=None, result=text if status == "succeeded" else None, error=text if status == "failed" else None,
        text_offset=0, started_at=datetime(2026, 1, 1, tzinfo=UTC), duration_ms=None,
    )  # fmt: skip


HUMAN = HumanMessage("Paint.", id="h")


def test_a_valid_history_stays_the_same_object() -> None:
    messages: list[AnyMessage] = [HUMAN, calling("a", "b"), result("a"), result("b"), AIMessage("Done.")]
    assert history.valid(messages) is messages


def test_results_go_behind_their_call_and_missing_ones_are_cancelled() -> None:
    messages: list[AnyMessage] = [
        HUMAN,
        calling("a", "b"),
        HumanMessage("Go on."),
        result("b"),
        result("orphan"),
    ]
    mended = history.valid(messages)
    assert [getattr(m, "tool_call_id", m.type) for m in mended] == ["human", "ai", "a", "b", "human"]
    assert [m.status for m in mended if isinstance(m, ToolMessage)] == ["error", "success"]


def test_the_answer_is_what_follows_the_last_word_of_the_person() -> None:
    messages = [
        HUMAN,
        AIMessage("Old."),
        HumanMessage("And?"),
        calling("a"),
        result("a"),
        AIMessage(""),
        AIMessage("New."),
    ]
    assert history.certain_text(messages) == "Wait.\n\nNew."


def test_settling_adds_results_and_the_rest_of_the_text() -> None:
    messages = [HUMAN, calling("a", "b", "c", "d"), result("a")]
    rows = {
        "b": row("b", "succeeded", text="Real."),
        "c": row("c", "failed", text="No paint."),
        "d": row("d", "cancelled"),
    }
    settled = settlement(messages, Turn("r", HUMAN, False, text="Wait.\n\nI was", tool_calls=rows))
    assert [m.text for m in settled] == ["Real.", "No paint.", history.CANCELLED, "I was"]
    assert [m.status for m in settled if isinstance(m, ToolMessage)] == ["success", "error", "error"]
    again = settlement([*messages, *settled], Turn("r", HUMAN, False, text="Wait.\n\nI was", tool_calls=rows))
    assert again == [], "settled twice"


def test_settling_a_turn_that_never_began_says_what_was_asked() -> None:
    before = [HumanMessage("Hi.", id="h0"), calling("a"), result("a"), AIMessage("Hello.")]
    assert settlement(before, Turn("r", HUMAN, False)) == [HUMAN]
    settled = settlement([], Turn("r", HUMAN, False, text="I was"))
    assert [m.text for m in settled] == ["Paint.", "I was"]


def test_settling_a_whole_turn_adds_nothing() -> None:
    messages = [HUMAN, calling("a"), result("a"), AIMessage("Done.")]
    assert settlement(messages, Turn("r", HUMAN, False, text="Wait.\n\nDone.")) == []
