"""What a thread looks like: the fold over its frames in Python, the twin of static/chat/js/store.js."""

from __future__ import annotations

import copy
from typing import Any, Self

UNFINISHED = ("queued", "running", "interrupted")

_RUN_EVENTS = (
    "run_queued",
    "run_started",
    "run_recovered",
    "run_interrupted",
    "run_completed",
    "run_failed",
    "run_stopped",
)


class State:
    """One client's picture of a thread. `shown` is what a person sees of it, to be compared."""

    def __init__(self) -> None:
        self.seq = 0
        self.thread: dict[str, Any] | None = None
        self.path: list[str] = []
        self.queued: list[str] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.has_more = False

    @classmethod
    def of(cls, *frames: dict[str, Any]) -> Self:
        """The state after these frames."""
        state = cls()
        for frame in frames:
            state.apply(frame)
        return state

    def copy(self) -> State:
        return copy.deepcopy(self)

    def apply(self, frame: dict[str, Any]) -> None:
        """Take a frame in. Control frames, unknown frames and events seen before change nothing."""
        if frame["type"] == "snapshot":
            self._begin(frame)
            return
        if "at" not in frame or frame["seq"] <= self.seq:
            return
        frame = copy.deepcopy(frame)
        self.seq = frame["seq"]
        kind = frame["type"]
        if kind in _RUN_EVENTS:
            self.runs[frame["run"]["id"]] = frame["run"]
        elif handle := getattr(self, f"_{kind}", None):
            handle(frame)

    def shown(self) -> dict[str, Any]:
        """What a person sees, and what every client of the thread must agree upon at the same `seq`.

        Without the thread's own `head_id` and `updated_at`, which only its list shows, and the runs that are over.
        """
        thread = {
            name: value
            for name, value in (self.thread or {}).items()
            if name not in ("head_id", "updated_at")
        }
        last = self.path[-1] if self.path else None
        return {
            "thread": thread,
            "messages": [self.messages[id_] for id_ in self.path],
            "queued": [self.messages[id_] for id_ in self.queued],
            "runs": {
                id_: run
                for id_, run in self.runs.items()
                if run["status"] in UNFINISHED
                or (run["status"] == "failed" and run["message_id"] == last and last is not None)
            },
        }

    @property
    def texts(self) -> list[str]:
        """The texts of the shown path."""
        return [self.messages[id_]["text"] for id_ in self.path]

    @property
    def said(self) -> str:
        """The text of the last message so far."""
        return self.last["text"] if self.path else ""

    @property
    def last(self) -> dict[str, Any]:
        """The last message of the shown path."""
        return self.messages[self.path[-1]]

    def unfinished(self) -> list[dict[str, Any]]:
        return [run for run in self.runs.values() if run["status"] in UNFINISHED]

    def _begin(self, frame: dict[str, Any]) -> None:
        frame = copy.deepcopy(frame)
        self.__init__()  # type: ignore[misc]
        self.seq = frame["seq"]
        self.thread = frame["thread"]
        for message in frame["messages"]:
            self.messages[message["id"]] = message
            (self.queued if message["status"] == "queued" else self.path).append(message["id"])
        self.runs = {run["id"]: run for run in frame["runs"]}
        self.has_more = frame["has_more"]

    def _thread_updated(self, frame: dict[str, Any]) -> None:
        self.thread = frame["thread"]

    def _branch_selected(self, frame: dict[str, Any]) -> None:
        shown = frame["messages"]
        for message in shown:
            self.messages[message["id"]] = message
        ids = [message["id"] for message in shown]
        fork = shown[0]["parent_id"] if shown else frame["head_id"]
        kept = self.path[: self.path.index(fork) + 1] if fork in self.path else []
        self.path = [*kept, *ids]
        self.queued = [id_ for id_ in self.queued if id_ not in ids]

    def _message_created(self, frame: dict[str, Any]) -> None:
        self._place(frame["message"])

    def _message_completed(self, frame: dict[str, Any]) -> None:
        if frame["message"]["id"] in self.messages:
            self._place(frame["message"])

    def _place(self, message: dict[str, Any]) -> None:
        id_, parent_id = message["id"], message["parent_id"]
        self.messages[id_] = message
        if message["status"] == "queued":
            if id_ not in self.queued:
                self.queued.append(id_)
            return
        if id_ in self.queued:
            self.queued.remove(id_)
        if id_ in self.path:
            return
        if parent_id is None:
            self.path = [id_]
        elif parent_id in self.path:
            self.path = [*self.path[: self.path.index(parent_id) + 1], id_]
        elif not self.path:
            self.path = [id_]

    def _assistant_delta(self, frame: dict[str, Any]) -> None:
        if message := self.messages.get(frame["message_id"]):
            message["text"] += frame["text"]

    def _reasoning_delta(self, frame: dict[str, Any]) -> None:
        if message := self.messages.get(frame["message_id"]):
            message["reasoning"] += frame["text"]

    def _message_restarted(self, frame: dict[str, Any]) -> None:
        if message := self.messages.get(frame["message_id"]):
            message |= {
                "text": frame["text"],
                "reasoning": frame["reasoning"],
                "status": "streaming",
                "error": None,
                "elapsed_ms": None,
            }

    def _tool_call_started(self, frame: dict[str, Any]) -> None:
        self._put_call(frame["tool_call"])

    def _tool_call_completed(self, frame: dict[str, Any]) -> None:
        self._put_call(frame["tool_call"])

    def _put_call(self, call: dict[str, Any]) -> None:
        message = self.messages.get(call["message_id"])
        if message is None:
            return
        calls = message["tool_calls"]
        for place, known in enumerate(calls):
            if known["id"] == call["id"]:
                calls[place] = call
                return
        calls.append(call)

    def _tool_call_progress(self, frame: dict[str, Any]) -> None:
        for message in self.messages.values():
            for call in message["tool_calls"]:
                if call["id"] == frame["tool_call_id"]:
                    call |= {name: frame[name] for name in ("progress", "text", "preview_url")}

    def _image_ready(self, frame: dict[str, Any]) -> None:
        image = frame["image"]
        for message in self.messages.values():
            if any(call["id"] == frame["tool_call_id"] for call in message["tool_calls"]):
                message["images"] = [one for one in message["images"] if one["id"] != image["id"]] + [image]

    def _run_progress(self, frame: dict[str, Any]) -> None:
        if run := self.runs.get(frame["run_id"]):
            run |= {"status": frame["status"], "current_step": frame["current_step"]}
