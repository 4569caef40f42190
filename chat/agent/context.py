"""What a run gives its tools: who it is, and what they may do to the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NotRequired, Protocol, TypedDict

from chat import objects
from chat.agent import voice
from chat.agent.painter.base import Painter, Picture


class BackgroundChoice(TypedDict):
    """`image_id` comes with kind image, `value` (checked CSS) with the others."""

    kind: Literal["image", "color", "gradient"]
    image_id: NotRequired[str]
    value: NotRequired[str]


class Effects(Protocol):
    """What a tool may do beside answering. Each call is fenced by the run's attempt and may raise errors.RunLost."""

    async def find_image(self, tool_call_id: str) -> objects.Image | None:
        """The picture that this tool call has made already, in whichever attempt."""

    async def begin(self, tool_call_id: str, name: str) -> bool:
        """Notes that this call is about to do something outside that cannot be taken back.

        True where an earlier attempt noted it too: what became of that is unknown.
        """

    async def save_image(
        self, tool_call_id: str, prompt: str, picture: Picture, as_background: bool
    ) -> objects.Image:
        """Stores the picture once for each (run, tool call): a second save answers with the first one's."""

    async def save_preview(self, tool_call_id: str, data: bytes, mime: str) -> str:
        """Keeps a small picture of work under way; answers with its URL."""

    async def view(self, image_id: str) -> bytes | None:
        """The person's own picture as a model looks at it, a small JPEG; None where they have no such picture."""

    async def recent_images(self, limit: int) -> list[objects.Image]:
        """The person's own pictures, newest first."""

    async def set_background(self, background: BackgroundChoice | None) -> None:
        """Changes the thread's background; LookupError for an image that is not the person's."""


@dataclass(frozen=True)
class RunContext:
    """LangGraph's runtime context of one attempt of a run."""

    thread_id: str
    run_id: str
    attempt: int
    effects: Effects
    painter: Painter
    line: voice.Line
