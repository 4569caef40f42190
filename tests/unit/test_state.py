"""The messages' reducer: LangGraph's `add_messages`, a whole history at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from chat.agent.state import merge

ids = st.sampled_from("abcdef")
spoken = st.builds(lambda name, n: HumanMessage(f"{name}{n}", id=name), ids, st.integers(0, 9))
removed = st.builds(lambda name: RemoveMessage(id=name), ids | st.just(REMOVE_ALL_MESSAGES))
writes = st.lists(st.lists(spoken | removed, max_size=5) | spoken, max_size=6)


def one_by_one(messages: list[Any], writes: list[Any]) -> Any:
    try:
        for write in writes:
            messages = add_messages(messages, write)  # type: ignore[assignment]
        return messages
    except ValueError:
        return ValueError


def all_at_once(messages: list[Any], writes: list[Any]) -> Any:
    try:
        return merge(messages, writes)
    except ValueError:
        return ValueError


@given(writes=writes)
def test_merging_is_adding_one_write_after_the_other(writes: list[Any]) -> None:
    assert all_at_once([], writes) == one_by_one([], writes)


@given(first=writes, second=writes)
def test_how_the_writes_are_batched_makes_no_difference(first: list[Any], second: list[Any]) -> None:
    halfway = all_at_once([], first)
    in_two = halfway if halfway is ValueError else all_at_once(halfway, second)
    assert in_two == all_at_once([], first + second)


@given(first=writes, second=writes)
def test_what_went_in_is_left_as_it_was(first: list[Any], second: list[Any]) -> None:
    messages = all_at_once([], first)
    if messages is not ValueError:
        before = list(messages)
        all_at_once(messages, second)
        assert messages == before


def test_everything_becomes_a_whole_message_with_an_id() -> None:
    merged = merge(
        [], [("user", "hello"), [{"role": "assistant", "content": "you"}], AIMessageChunk(content="!")]
    )
    assert [type(message) for message in merged] == [HumanMessage, AIMessage, AIMessage]
    assert all(message.id for message in merged)


def test_clearing_everything_leaves_what_comes_after_it() -> None:
    merged = merge(
        [HumanMessage("old", id="a")], [[RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("new", id="b")]]
    )
    assert [message.id for message in merged] == ["b"]


def test_removing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="not there"):
        merge([], [RemoveMessage(id="a")])
