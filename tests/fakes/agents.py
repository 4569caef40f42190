"""A chat model that says what a script says, and a world for the agent's tools that is kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from chat import objects
from chat.agent import voice
from chat.agent.context import BackgroundChoice, RunContext
from chat.agent.painter.base import Picture, Step
from chat.errors import RunLost

Reply = Sequence[str | AIMessageChunk | Awaitable[Any] | Exception]
"""What the model does, in order: say a text, stream a chunk, wait, fail."""


class ScriptedModel(BaseChatModel):
    """A real chat model whose reply follows from the messages it is given; `read` keeps what it was given."""

    script: Callable[[list[BaseMessage]], Reply]
    read: list[list[BaseMessage]] = Field(default_factory=list, repr=False)
    tools: list[str] = []

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.model_copy(update={"tools": [tool["function"]["name"] for tool in tools]})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("The agent is asynchronous.")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.read.append(list(messages))
        for part in self.script(messages):
            match part:
                case str():
                    yield ChatGenerationChunk(message=AIMessageChunk(content=part))
                case AIMessageChunk():
                    yield ChatGenerationChunk(message=part)
                case Exception():
                    raise part
                case _:
                    await part


def call(name: str, call_id: str, arguments: str, at: int = 0) -> AIMessageChunk:
    """A whole tool call as one chunk."""
    return AIMessageChunk(
        content="", tool_call_chunks=[tool_call_chunk(name=name, id=call_id, args=arguments, index=at)]
    )


class World:
    """What the tools may do, in memory. `lost` makes every effect raise RunLost, as after a takeover."""

    def __init__(self) -> None:
        self.images: dict[str, objects.Image] = {}
        self.previews: list[bytes] = []
        self.background: BackgroundChoice | None = None
        self.lost = False
        self.begun: set[str] = set()
        self.views: dict[str, bytes] = {}
        self.viewed: list[str] = []

    async def begin(self, tool_call_id: str, name: str) -> bool:
        self._fence()
        before = tool_call_id in self.begun
        self.begun.add(tool_call_id)
        return before

    async def find_image(self, tool_call_id: str) -> objects.Image | None:
        self._fence()
        return self.images.get(tool_call_id)

    async def save_image(
        self, tool_call_id: str, prompt: str, picture: Picture, as_background: bool
    ) -> objects.Image:
        self._fence()
        self.images.setdefault(
            tool_call_id, image(f"image-{len(self.images)}", tool_call_id, prompt, picture)
        )
        if as_background:
            self.background = {"kind": "image", "image_id": self.images[tool_call_id].id}
        return self.images[tool_call_id]

    async def save_preview(self, tool_call_id: str, data: bytes, mime: str) -> str:
        self._fence()
        self.previews.append(data)
        return f"/previews/{tool_call_id}/{len(self.previews)}"

    async def view(self, image_id: str) -> bytes | None:
        self._fence()
        self.viewed.append(image_id)
        return self.views.get(image_id)

    async def recent_images(self, limit: int) -> list[objects.Image]:
        return list(self.images.values())[::-1][:limit]

    async def set_background(self, background: BackgroundChoice | None) -> None:
        self._fence()
        if background and background["kind"] == "image":
            known = {image.id for image in self.images.values()}
            if background["image_id"] not in known:
                raise LookupError(background["image_id"])
        self.background = background

    def _fence(self) -> None:
        if self.lost:
            raise RunLost


def image(image_id: str, tool_call_id: str, prompt: str, picture: Picture) -> objects.Image:
    return objects.Image(
        id=image_id,
        thread_id="thread",
        run_id="run",
        tool_call_id=tool_call_id,
        prompt=prompt,
        url=f"/images/{image_id}/file",
        thumbnail_url=f"/images/{image_id}/thumbnail",
        width=picture.width,
        height=picture.height,
        accent=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


class ScriptedPainter:
    """A painter of two steps, which can be made to wait for `go_on` after the first, or to fail."""

    def __init__(self, failure: Exception | None = None, *, external: bool = False) -> None:
        self.external = external
        self.failure = failure
        self.painted: list[tuple[str, int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def paint(self, prompt: str, *, size: tuple[int, int], seed: int) -> AsyncIterator[Step | Picture]:
        self.begun.set()
        yield Step(0.3, "laying in the sky", b"preview 1")
        await self.go_on.wait()
        if self.failure:
            raise self.failure
        yield Step(0.8, "the fox", None)
        self.painted.append((prompt, seed))
        yield Picture(b"picture", "image/webp", size[0], size[1], None)


def context(world: World, painter: Any = None, *, run_id: str = "run", attempt: int = 1) -> RunContext:
    return RunContext(
        "thread", run_id, attempt, world, painter or ScriptedPainter(), voice.Line(lambda _: False)
    )


def chunks(text: str, size: int = 8) -> Iterator[str]:
    """The text in pieces, as a model streams it."""
    return (text[at : at + size] for at in range(0, len(text), size))
