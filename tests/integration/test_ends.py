"""What a process remembers of the threads it wrote is what the database has, and only while nothing is newer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint

from chat.agent import checkpoints, ends
from tests.fakes.agents import Reply, ScriptedModel, call
from tests.fakes.checkpointed import Thread, outline


def script(messages: list[BaseMessage]) -> Reply:
    if messages[-1].text == "paint":
        return ["At once.", call("set_background", "call-1", '{"kind": "color", "value": "navy"}')]
    return [f"Hello {len(messages)}."]


@pytest.fixture
def thread(pool: checkpoints.Pool) -> Thread:
    return Thread(pool, ScriptedModel(script=script))


def _config(thread: Thread) -> dict[str, Any]:
    return {"thread_id": thread.id, "checkpoint_ns": ""}


async def _stored(thread: Thread) -> CheckpointTuple:
    found = await checkpoints.FencedSaver(thread.pool, None).aget_tuple({"configurable": _config(thread)})
    assert found
    return found


@pytest.mark.parametrize("said", [["hi"], ["hi", "paint"], ["paint", "hi", "hi"]])
async def test_what_is_remembered_is_what_is_stored(thread: Thread, said: list[str]) -> None:
    for text in said:
        await thread.say(text)
    stored = await _stored(thread)
    recalled = ends.ENDS.recall(thread.id, stored.checkpoint["id"])
    assert recalled
    messages = recalled.checkpoint["channel_values"].pop("messages")
    assert messages == await thread.messages()
    assert recalled.metadata.pop("counters_since_delta_snapshot") == {
        name: tuple(counts) for name, counts in stored.metadata.pop("counters_since_delta_snapshot").items()
    }
    assert recalled == stored


async def test_a_turn_behind_ones_own_reads_nothing_and_knows_all(thread: Thread) -> None:
    for _ in range(2):
        await thread.say("hi")
    await thread.query("DELETE FROM checkpoint_writes WHERE thread_id = %s RETURNING 1", thread.id)
    await thread.say("hi")
    given = [message.text for message in thread.model.read[-1][1:]]  # behind the prompt of the system
    assert given == ["hi", "Hello 2.", "hi", "Hello 4.", "hi"]


async def test_what_another_process_wrote_since_is_read(thread: Thread) -> None:
    await thread.say("hi")
    then = ends.ENDS.recall(thread.id, (await _stored(thread)).checkpoint["id"])
    assert then
    await thread.say("hi")
    # As it is where the second turn was another process's.
    ends.ENDS.remember(then, then.checkpoint["channel_values"].pop("messages"))
    await thread.say("hi")
    assert [message.text for message in await thread.messages() if isinstance(message, AIMessage)] == [
        "Hello 2.", "Hello 4.", "Hello 6."
    ]  # fmt: skip


async def test_only_the_last_that_was_written_is_an_end(thread: Thread) -> None:
    first = await thread.say("hi")
    second = await thread.say("hi")
    earlier = {**_config(thread), "checkpoint_id": first.translation.checkpoint_id}
    second.saver.remember({"config": {"configurable": earlier}, "values": {"messages": []}})
    assert second.translation.checkpoint_id
    end = ends.ENDS.recall(thread.id, second.translation.checkpoint_id)
    assert end
    assert len(end.checkpoint["channel_values"]["messages"]) == 4


async def test_a_branch_begins_where_it_was_said_to_and_not_at_the_end(thread: Thread) -> None:
    first = await thread.say("hi")
    await thread.say("hi")
    thread.path = [first.turn(complete=True)]
    await thread.say("paint")
    assert outline(await thread.messages())[:3] == ["human: hi", "ai: Hello 2.", "human: paint"]


def test_those_not_heard_of_for_longest_are_forgotten() -> None:
    kept = ends.Ends(characters_max=3 * 3_000)
    ids = {}
    for name in ("a", "b", "c", "d"):
        checkpoint = empty_checkpoint()
        ids[name] = checkpoint["id"]
        config: Any = {"configurable": {"thread_id": name}}
        kept.remember(CheckpointTuple(config, checkpoint, {}, None, []), [AIMessage("x" * 1_000)])
        assert kept.recall("a", ids["a"])
    assert [name for name in ids if kept.recall(name, ids[name])] == ["a", "c", "d"]


def test_what_is_given_is_the_callers_to_change() -> None:
    kept = ends.Ends()
    checkpoint = empty_checkpoint()
    config: Any = {"configurable": {"thread_id": "t"}}
    kept.remember(CheckpointTuple(config, checkpoint, {}, None, []), [AIMessage("one")])
    for _ in range(2):
        given = kept.recall("t", checkpoint["id"])
        assert given
        assert len(given.checkpoint["channel_values"]["messages"]) == 1
        assert given.metadata == {}
        assert given.checkpoint["channel_versions"] == {}
        given.checkpoint["channel_values"]["messages"].append(AIMessage("two"))
        given.checkpoint["channel_versions"]["messages"] = "1"
        given.metadata["step"] = 1
