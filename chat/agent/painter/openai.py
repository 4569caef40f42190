"""Pictures by OpenAI's images API, or by any server that speaks it.

Asks for a stream with partial pictures; where the server or the model knows no streaming, asks again
without. Every error of the client, the server and the network becomes a PaintError here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from PIL import Image

from chat.agent.painter.base import PaintError, Picture, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

DEFAULT_MODEL = "gpt-image-2"
PARTIALS = 2
DEADLINE_SECONDS = 240.0
CONNECT_SECONDS = 10.0
MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 50_000_000
PREVIEW_SIZE = (512, 512)
SIZES = ((1536, 1024), (1024, 1536), (1024, 1024))
DALLE_SIZES = ((1792, 1024), (1024, 1792), (1024, 1024))
MIMES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
T = TypeVar("T")


class OpenAIPainter:
    """Holds no connection between pictures, so one painter serves any event loop. The seed means nothing
    to the server.
    """

    external = True

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        model: str = "",
        deadline_seconds: float = DEADLINE_SECONDS,
        max_retries: int = 2,
    ) -> None:
        self._api_key, self._base_url, self._model = api_key, base_url or None, model or DEFAULT_MODEL
        self._deadline_seconds, self._max_retries = deadline_seconds, max_retries
        self._streams = not self._model.startswith("dall-e")

    async def paint(self, prompt: str, *, size: tuple[int, int], seed: int) -> AsyncIterator[Step | Picture]:
        if not prompt.strip():
            raise PaintError(
                "invalid_prompt", "There is nothing to paint yet: say what the picture should show."
            )
        deadline = asyncio.get_running_loop().time() + self._deadline_seconds
        yield Step(0.03, f"asking {self._model}", None)
        async with self._client() as client:
            if self._streams:
                try:
                    async for part in self._ask(client, prompt, size, deadline, stream=True):
                        yield part
                    return
                except openai.APIStatusError as error:
                    if not _about_streaming(error):
                        raise _painted(error, self._model) from error
                    self._streams = False
                except (openai.OpenAIError, httpx2.HTTPError, TimeoutError) as error:
                    raise _painted(error, self._model) from error
            try:
                async for part in self._ask(client, prompt, size, deadline, stream=False):
                    yield part
            except (openai.OpenAIError, httpx2.HTTPError, TimeoutError) as error:
                raise _painted(error, self._model) from error

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key=self._api_key or "none",  # a local server may need no key; the client insists on one
            base_url=self._base_url,
            timeout=httpx2.Timeout(self._deadline_seconds, connect=CONNECT_SECONDS),
            max_retries=self._max_retries,
        )

    async def _ask(
        self, client: openai.AsyncOpenAI, prompt: str, size: tuple[int, int], deadline: float, *, stream: bool
    ) -> AsyncIterator[Step | Picture]:
        """One request, whatever the answer's form. Each wait ends at the deadline; none spans a yield."""
        dalle = self._model.startswith("dall-e")
        width, height = min(
            DALLE_SIZES if dalle else SIZES, key=lambda one: abs(one[0] / one[1] - size[0] / size[1])
        )
        extra: dict[str, Any] = {"response_format": "b64_json"} if dalle else {}
        if stream:
            extra = {"stream": True, "partial_images": PARTIALS}
        async with AsyncExitStack() as stack:
            request = client.images.with_streaming_response.generate(
                model=self._model, prompt=prompt, size=f"{width}x{height}", n=1, **extra
            )
            response = await _by(deadline, stack.enter_async_context(request))
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                body = await _by(deadline, _body(response.iter_bytes()))
                yield await self._answer(client, body, deadline)
                return
            events = aiter(await _by(deadline, response.parse()))
            shown = 0
            while (event := await _by(deadline, _next(events))) is not None:
                data = _decoded(getattr(event, "b64_json", None))
                if getattr(event, "type", "") != "image_generation.partial_image":
                    yield await asyncio.to_thread(_picture, data, None)
                    return
                shown += 1
                preview = await asyncio.to_thread(_preview, data)
                yield Step(0.9 * min(shown / (PARTIALS + 1), 1.0), "the picture is taking shape", preview)
        raise PaintError(
            "bad_answer", "The image server ended before the picture was finished. Try again.", retryable=True
        )

    async def _answer(self, client: openai.AsyncOpenAI, body: bytes, deadline: float) -> Picture:
        """The picture of a plain JSON answer: in it, or at the address that it names."""
        try:
            first = json.loads(body)["data"][0]
            encoded, url, revised = first.get("b64_json"), first.get("url"), first.get("revised_prompt")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise PaintError(
                "bad_answer", "The image server's answer holds no picture. Is OPENAI_BASE_URL right?"
            ) from error
        if not encoded and isinstance(url, str):
            data = await _by(deadline, self._fetch(url, str(client.base_url)))
        else:
            data = _decoded(encoded)
        return await asyncio.to_thread(_picture, data, revised if isinstance(revised, str) else None)

    async def _fetch(self, url: str, base_url: str) -> bytes:
        """A picture by its address, without our key and without redirects: the server must not send us
        round the network.
        """
        there, home = urlsplit(url), urlsplit(base_url)
        if there.scheme != "https" and (there.scheme, there.netloc) != (home.scheme, home.netloc):
            raise PaintError(
                "bad_answer", "The image server named an address that is neither https nor its own."
            )
        async with (
            httpx2.AsyncClient(follow_redirects=False, timeout=30) as web,
            web.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise PaintError(
                    "bad_answer", f"The picture's address answered {response.status_code}.", retryable=True
                )
            return await _body(response.aiter_bytes())


async def _by(deadline: float, work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout_at(deadline):
        return await work


async def _next(events: AsyncIterator[Any]) -> Any:
    """The stream's next event, None at its end."""
    try:
        return await anext(events, None)
    except (ValueError, UnicodeDecodeError) as error:
        raise PaintError(
            "bad_answer", "The image server's stream could not be read.", retryable=True
        ) from error


async def _body(chunks: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES * 4 // 3 + 65_536:
            raise PaintError(
                "too_large", f"The image server's answer is larger than {MAX_BYTES // 2**20} MB."
            )
    return bytes(body)


def _decoded(encoded: object) -> bytes:
    if not isinstance(encoded, str):
        raise PaintError("bad_answer", "The image server's answer holds no picture.")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PaintError("bad_answer", "The image server's picture is not base64.") from error
    if len(data) > MAX_BYTES:
        raise PaintError("too_large", f"The picture is larger than {MAX_BYTES // 2**20} MB.")
    return data


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=list(MIMES))
        if image.width * image.height > MAX_PIXELS:
            raise PaintError(
                "too_large", f"The picture has {image.width}×{image.height} pixels, which is too many."
            )
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PaintError("bad_answer", "The image server's picture is no PNG, JPEG or WebP.") from error
    return image


def _picture(data: bytes, revised_prompt: str | None) -> Picture:
    image = _opened(data)
    return Picture(data, MIMES[str(image.format)], image.width, image.height, revised_prompt)


def _preview(data: bytes) -> bytes:
    image = _opened(data).convert("RGB")
    image.thumbnail(PREVIEW_SIZE)
    target = io.BytesIO()
    for quality in (80, 60, 40, 20):
        target = io.BytesIO()
        image.save(target, "JPEG", quality=quality)
        if target.tell() <= 40_000:
            break
    return target.getvalue()


def _about_streaming(error: openai.APIStatusError) -> bool:
    """Whether the server refused the way of asking rather than the picture."""
    said = f"{error.param or ''} {error.message}".lower()
    return error.status_code in (400, 422) and ("stream" in said or "partial_images" in said)


def _painted(error: Exception, model: str) -> PaintError:
    """The client's error in words that a person can act on. Never the server's words about a key: they
    quote it.
    """
    said = str(getattr(error, "message", error)).strip()[:300]
    code = getattr(error, "code", None) or ""
    match error:
        case openai.APITimeoutError() | TimeoutError() | httpx2.TimeoutException():
            return PaintError(
                "timeout", "The image server took too long to answer. Try again in a moment.", retryable=True
            )
        case openai.APIConnectionError() | httpx2.HTTPError():
            return PaintError(
                "unreachable",
                "The image server cannot be reached. Check the network and OPENAI_BASE_URL.",
                retryable=True,
            )
        case openai.AuthenticationError():
            return PaintError("wrong_key", "The image server does not accept the key. Check OPENAI_API_KEY.")
        case openai.APIError() if "moderation" in code or "content_policy" in code or "safety system" in said:
            return PaintError(
                "refused", "The image server declined to paint this. Put it another way and try again."
            )
        case openai.APIError() if code in ("insufficient_quota", "billing_hard_limit_reached"):
            return PaintError(
                "no_credit", "The account of this key has no credit left. Add some, or use another key."
            )
        case openai.PermissionDeniedError():
            return PaintError(
                "no_access",
                f"This key may not use {model}. OpenAI's image models may ask for a verified organisation.",
            )
        case openai.NotFoundError():
            return PaintError(
                "unknown_model",
                f"The image server does not know {model}. Check IMAGE_MODEL and OPENAI_BASE_URL.",
            )
        case openai.RateLimitError():
            return PaintError(
                "rate_limited",
                "The image server is busy with this key's requests. Try again in a minute.",
                retryable=True,
            )
        case openai.InternalServerError():
            return PaintError(
                "provider_error",
                "The image server had an error of its own. Try again in a moment.",
                retryable=True,
            )
        case openai.APIStatusError():
            return PaintError("provider_error", f"The image server refused the request: {said}")
        case _:
            return PaintError(
                "provider_error", f"The image server ended with an error: {said}", retryable=True
            )
