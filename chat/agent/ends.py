"""The ends of threads as this process wrote them: a turn that follows one here reads nothing of its thread again.

An end is what the newest checkpoint of a thread holds, with its messages, which the database has as many small writes.
It is given only to who knows that this checkpoint is the newest still: what another process has written since, an edit
or another branch has another id. It was stored before it came here; what is forgotten is read.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple

from chat.agent import history

MESSAGES = "messages"
"""The channel of the graph's state that holds them."""

CHARACTERS_MAX = 25_000_000
"""The most that the ends of one process have in them, a byte to four each; who was not heard of for longest goes."""

_MESSAGE_CHARACTERS = 2_000
"""What an object of LangChain's takes beside its text."""


@dataclass(frozen=True)
class _End:
    stored: CheckpointTuple
    messages: Sequence[AnyMessage]
    characters: int


def _characters(message: AnyMessage) -> int:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    said = (
        len(history.text(message))
        + len(history.reasoning(message))
        + sum(len(str(call["args"])) for call in calls)
    )
    return said + _MESSAGE_CHARACTERS


class Ends:
    """The last end of each of some threads."""

    def __init__(self, characters_max: int = CHARACTERS_MAX) -> None:
        self._characters_max = characters_max
        self._characters = 0
        self._ends: OrderedDict[str, _End] = OrderedDict()

    def remember(self, stored: CheckpointTuple, messages: Sequence[AnyMessage]) -> None:
        """Keep what is stored as the end of its thread. Nobody may change either from here on."""
        thread_id = stored.config["configurable"]["thread_id"]
        characters = self._characters_of(messages, self._ends.get(thread_id))
        self._forget(thread_id)
        self._ends[thread_id] = _End(stored, messages, characters)
        self._characters += characters
        while self._characters > self._characters_max:
            self._forget(next(iter(self._ends)))

    def recall(self, thread_id: str, checkpoint_id: str) -> CheckpointTuple | None:
        """The thread's end as a saver would load it, if this is its checkpoint; it is the caller's to change.

        The messages stand in it whole, as LangGraph takes them from a checkpoint that has them.
        """
        end = self._ends.get(thread_id)
        if end is None or end.stored.checkpoint["id"] != checkpoint_id:
            return None
        self._ends.move_to_end(thread_id)
        stored = end.stored.checkpoint
        checkpoint = Checkpoint(
            v=stored["v"],
            ts=stored["ts"],
            id=stored["id"],
            channel_values={**copy.deepcopy(stored["channel_values"]), MESSAGES: list(end.messages)},
            channel_versions=dict(stored["channel_versions"]),
            versions_seen={node: dict(seen) for node, seen in stored["versions_seen"].items()},
            updated_channels=stored["updated_channels"],
        )
        return end.stored._replace(checkpoint=checkpoint, metadata=end.stored.metadata.copy())

    def _characters_of(self, messages: Sequence[AnyMessage], before: _End | None) -> int:
        """How much they are. Of a thread that has only grown the new ones are looked at: some have thousands."""
        known = len(before.messages) if before is not None else 0
        if before is None or not 0 < known <= len(messages) or messages[known - 1] is not before.messages[-1]:
            return sum(map(_characters, messages))
        return before.characters + sum(map(_characters, messages[known:]))

    def _forget(self, thread_id: str) -> None:
        end = self._ends.pop(thread_id, None)
        if end is not None:
            self._characters -= end.characters


ENDS = Ends()
"""Those of this process."""
