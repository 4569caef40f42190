"""The OpenAI painter against a server of our own over real HTTP: every form of answer, every kind of refusal."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from chat.agent.painter import PaintError, Picture, Step, create
from chat.agent.painter import openai as module
from chat.agent.painter.openai import OpenAIPainter

KEY = "sk-test-do-not-repeat"


def png(colour: str, size: tuple[int, int] = (96, 64)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def event(kind: str, data: bytes, index: int = 0) -> bytes:
    body = {"type": f"image_generation.{kind}", "b64_json": b64(data), "partial_image_index": index}
    return f"event: image_generation.{kind}\ndata: {json.dumps(body)}\n\n".encode()


@dataclass
class Answer:
    body: bytes
    status: int = 200
    mime: str = "application/json"
    cut: bool = False
    """The connection ends before the body that was announced."""


def answer(body: object, status: int = 200) -> Answer:
    return Answer(json.dumps(body).encode(), status)


def refusal(status: int, code: str | None = None, message: str = "No.", param: str | None = None) -> Answer:
    return answer({"error": {"message": message, "code": code, "param": param, "type": "error"}}, status)


def stream(*events: bytes, cut: bool = False) -> Answer:
    return Answer(b"".join(events), mime="text/event-stream", cut=cut)


@dataclass
class Server:
    """A small HTTP server: answers come from `answer`, requests are kept."""

    answer: Callable[[dict[str, Any]], Answer | Awaitable[Answer]]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, list[str]] = field(default_factory=dict)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            self.headers[path] = head.lower().split("\r\n")[1:]
            length = next(
                (int(line[15:]) for line in self.headers[path] if line.startswith("content-length:")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else {}
            if length:
                self.asked.append(body)
            made = self.answer({**body, "path": path})
            said = made if isinstance(made, Answer) else await made
            announced = len(said.body) + 100 * said.cut
            lines = f"content-type: {said.mime}\r\ncontent-length: {announced}\r\nconnection: close\r\n\r\n"
            writer.write(f"HTTP/1.1 {said.status} Said\r\n{lines}".encode() + said.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which some tests want
        finally:
            writer.close()


@asynccontextmanager
async def serving(made: Callable[[dict[str, Any]], Answer | Awaitable[Answer]]) -> AsyncIterator[Server]:
    server = Server(made)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()


async def paint(
    url: str, *, model: str = "", size: tuple[int, int] = (1536, 1024), **config: Any
) -> list[Step | Picture]:
    painter = OpenAIPainter(api_key=KEY, base_url=url, model=model, **{"max_retries": 0, **config})
    async with asyncio.timeout(20):
        return [part async for part in painter.paint("a red fox", size=size, seed=1)]


async def refused(url: str, **config: Any) -> PaintError:
    with pytest.raises(PaintError) as raised:
        await paint(url, **config)
    assert KEY not in raised.value.message
    assert raised.value.message.endswith((".", "?"))
    return raised.value


async def test_partial_pictures_arrive_as_steps_and_the_picture_last() -> None:
    events = stream(
        event("partial_image", png("red")),
        event("partial_image", png("green"), 1),
        event("completed", png("blue")),
    )
    async with serving(lambda _: events) as server:
        parts = await paint(server.url)
    steps, picture = parts[:-1], parts[-1]
    assert isinstance(picture, Picture)
    assert (picture.data, picture.mime, picture.width, picture.height) == (png("blue"), "image/png", 96, 64)
    assert [step.progress for step in steps if isinstance(step, Step)] == pytest.approx([0.03, 0.3, 0.6])
    previews = [step.preview for step in steps if isinstance(step, Step) and step.preview]
    assert [Image.open(io.BytesIO(preview)).format for preview in previews] == ["JPEG", "JPEG"]
    asked = server.asked[0]
    assert (asked["stream"], asked["partial_images"], asked["size"], asked["n"]) == (True, 2, "1536x1024", 1)
    assert asked["model"] == module.DEFAULT_MODEL
    assert f"authorization: bearer {KEY}" in server.headers["/v1/images/generations"]


async def test_a_preview_of_a_large_noisy_picture_stays_small() -> None:
    target = io.BytesIO()
    Image.effect_noise((1536, 1024), 120).convert("RGB").save(target, "PNG")
    events = stream(event("partial_image", target.getvalue()), event("completed", png("blue")))
    async with serving(lambda _: events) as server:
        parts = await paint(server.url)
    preview = next(part.preview for part in parts if isinstance(part, Step) and part.preview)
    assert Image.open(io.BytesIO(preview)).size == (512, 341)


async def test_a_server_that_answers_a_stream_request_with_json_is_understood() -> None:
    async with serving(
        lambda _: answer({"data": [{"b64_json": b64(png("red")), "revised_prompt": "a fox"}]})
    ) as server:
        picture = (await paint(server.url))[-1]
    assert isinstance(picture, Picture)
    assert picture.revised_prompt == "a fox"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "no",
    [
        refusal(400, "unknown_parameter", "Unknown parameter: 'partial_images'.", "partial_images"),
        refusal(422, None, "Streaming is not supported"),
    ],
)
async def test_a_server_that_knows_no_streaming_is_asked_again_without_and_then_never(no: Answer) -> None:
    plain = answer({"data": [{"b64_json": b64(png("red"))}]})
    async with serving(lambda body: no if body.get("stream") else plain) as server:
        painter = create("openai", api_key=KEY, base_url=server.url, model="some-model")
        for _ in range(2):
            parts = [part async for part in painter.paint("a fox", size=(1024, 1024), seed=1)]
            assert isinstance(parts[-1], Picture)
    assert ["stream" in asked for asked in server.asked] == [True, False, False]


async def test_dall_e_is_never_asked_to_stream() -> None:
    async with serving(lambda _: answer({"data": [{"b64_json": b64(png("red"))}]})) as server:
        await paint(server.url, model="dall-e-3")
    asked = server.asked[0]
    assert "stream" not in asked
    assert (asked["size"], asked["response_format"]) == ("1792x1024", "b64_json")


@pytest.mark.parametrize(
    ("size", "asked"), [((1024, 1024), "1024x1024"), ((800, 1200), "1024x1536"), ((1920, 1080), "1536x1024")]
)
async def test_the_nearest_size_is_asked_for(size: tuple[int, int], asked: str) -> None:
    async with serving(lambda _: stream(event("completed", png("red")))) as server:
        await paint(server.url, size=size)
    assert server.asked[0]["size"] == asked


async def test_a_picture_at_an_address_of_the_server_itself_is_fetched_without_our_key() -> None:
    def made(body: dict[str, Any]) -> Answer:
        if body["path"] == "/files/1.png":
            return Answer(png("red"), mime="image/png")
        return answer({"data": [{"url": server.url.replace("/v1", "/files/1.png")}]})

    async with serving(made) as server:
        picture = (await paint(server.url, model="dall-e-3"))[-1]
    assert isinstance(picture, Picture)
    assert picture.data == png("red")
    assert not any(line.startswith("authorization:") for line in server.headers["/files/1.png"])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x.png", "file:///etc/hostname", "ftp://example.org/x", "x.png"]
)
async def test_a_picture_anywhere_else_is_not_fetched(url: str) -> None:
    async with serving(lambda _: answer({"data": [{"url": url}]})) as server:
        assert (await refused(server.url)).code == "bad_answer"


async def test_a_redirect_is_not_followed() -> None:
    def made(body: dict[str, Any]) -> Answer:
        if body["path"] == "/1.png":
            return Answer(b"", 302)
        return answer({"data": [{"url": server.url.replace("/v1", "/1.png")}]})

    async with serving(made) as server:
        error = await refused(server.url)
    assert (error.code, "302" in error.message) == ("bad_answer", True)


@pytest.mark.parametrize(
    ("said", "code", "retryable"),
    [
        (refusal(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"), "wrong_key", False),
        (refusal(403, None, "Your organization must be verified"), "no_access", False),
        (refusal(404, "model_not_found"), "unknown_model", False),
        (refusal(429, "insufficient_quota"), "no_credit", False),
        (refusal(400, "billing_hard_limit_reached"), "no_credit", False),
        (refusal(429, "rate_limit_exceeded"), "rate_limited", True),
        (refusal(400, "moderation_blocked", "Rejected by the safety system"), "refused", False),
        (refusal(400, "content_policy_violation"), "refused", False),
        (refusal(400, "invalid_value", "The size is wrong.", "size"), "provider_error", False),
        (refusal(500), "provider_error", True),
        (Answer(b"<html>Bad gateway</html>", 502, "text/html"), "provider_error", True),
    ],
)
async def test_a_refusal_says_what_to_do(said: Answer, code: str, retryable: bool) -> None:
    async with serving(lambda _: said) as server:
        error = await refused(server.url)
    assert (error.code, error.retryable) == (code, retryable)


@pytest.mark.parametrize(
    "said",
    [
        answer({"data": []}),
        answer({"data": [{}]}),
        answer(["nothing"]),
        answer({"data": [{"b64_json": "!!!"}]}),
        answer({"data": [{"b64_json": b64(b"no picture at all")}]}),
        answer({"data": [{"b64_json": b64(png("red")[:60])}]}),
        Answer(b"<html>Hello</html>", mime="text/html"),
        stream(b"data: {oops\n\n"),
        stream(b'data: {"type": "image_generation.completed"}\n\n'),
        stream(event("partial_image", png("red"))),
        stream(),
    ],
)
async def test_an_answer_without_a_picture_is_never_taken_for_one(said: Answer) -> None:
    async with serving(lambda _: said) as server:
        assert (await refused(server.url)).code == "bad_answer"


@pytest.mark.parametrize(
    "said",
    [stream(event("partial_image", png("red")), cut=True), Answer(b'{"data": [', cut=True)],
)
async def test_a_cut_connection_can_be_tried_again(said: Answer) -> None:
    async with serving(lambda _: said) as server:
        error = await refused(server.url)
    assert (error.code, error.retryable) == ("unreachable", True)


async def test_an_error_in_the_stream_is_the_runs_error() -> None:
    body = {"error": {"message": "Rejected by the safety system", "code": "moderation_blocked", "type": "x"}}
    async with serving(lambda _: stream(f"event: error\ndata: {json.dumps(body)}\n\n".encode())) as server:
        assert (await refused(server.url)).code == "refused"


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with serving(lambda _: answer({})) as server:
        url = server.url
    error = await refused(url)
    assert (error.code, error.retryable) == ("unreachable", True)


async def test_a_silent_server_meets_the_deadline() -> None:
    async def never(_: dict[str, Any]) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(lambda body: never(body)) as server:
        error = await refused(server.url, deadline_seconds=0.3)
    assert (error.code, error.retryable) == ("timeout", True)


async def test_a_failure_before_the_picture_is_tried_again_by_the_client() -> None:
    answers: Iterator[Answer] = iter([refusal(500), stream(event("completed", png("red")))])
    async with serving(lambda _: next(answers)) as server:
        parts = await paint(server.url, max_retries=2)
    assert isinstance(parts[-1], Picture)
    assert len(server.asked) == 2


async def test_too_large_an_answer_is_not_read_to_its_end() -> None:
    async with serving(lambda _: Answer(b" " * (module.MAX_BYTES * 3 // 2), cut=True)) as server:
        assert (await refused(server.url)).code == "too_large"


async def test_too_many_pixels_are_not_unpacked() -> None:
    target = io.BytesIO()
    Image.new("1", (10_000, 5_001)).save(target, "PNG")
    async with serving(lambda _: stream(event("completed", target.getvalue()))) as server:
        assert (await refused(server.url)).code == "too_large"


async def test_nothing_to_paint_asks_nobody() -> None:
    async with serving(lambda _: answer({})) as server:
        painter = OpenAIPainter(api_key=KEY, base_url=server.url)
        with pytest.raises(PaintError, match="nothing to paint"):
            await anext(aiter(painter.paint("  ", size=(1024, 1024), seed=1)))
    assert server.asked == []
