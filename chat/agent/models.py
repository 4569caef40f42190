"""Which chat model answers, and what its failures mean to a person.

`create` makes the model, `describe` says what it is, `failure` maps what it raises. Nothing here reads
the environment: the settings hand in a `Config`. langchain_openai takes two seconds to import and is
imported only where a real model is made.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict
from urllib.parse import urlsplit

from langchain_core.exceptions import ContextOverflowError

from chat.agent.demo import NAME as DEMO
from chat.agent.demo import DemoModel
from chat.agent.ticks import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openai
    from langchain_core.language_models import BaseChatModel

Vision = Literal["auto", "on", "off"]

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-5-mini"


@dataclass(frozen=True)
class Config:
    """The settings that choose a chat model. Neither key nor base URL: the demo model."""

    api_key: str | None = None
    base_url: str | None = None
    chat_model: str | None = None
    timeout_seconds: float = 120
    """How long the server may take to begin its answer."""
    stall_seconds: float = 60
    """How long the answer may pause once it has begun."""
    max_retries: int = 2
    """How often a request is repeated that failed before its answer began."""
    window_seconds: float = WINDOW_SECONDS
    vision: Vision = "auto"
    """Whether the model is shown the pictures that people attach; auto asks LangChain's data on models, and where that
    does not know the model, the server."""
    demo_tokens_per_second: float = 50

    @property
    def is_demo(self) -> bool:
        return not self.api_key and not self.base_url


class Description(TypedDict):
    """A model as the page shows it: `notice` is the one line that a person should know, or null."""

    name: str
    label: str
    demo: bool
    notice: str | None


class Failure(NamedTuple):
    """Why a model did not answer. `code` is stable; `message` is for a person to act on."""

    code: str
    message: str
    retryable: bool


def create(config: Config) -> BaseChatModel:
    """The chat model of a configuration."""
    if config.is_demo:
        return DemoModel(
            tokens_per_second=config.demo_tokens_per_second, window_seconds=config.window_seconds
        )
    import openai

    from chat.agent.openai_stream import OpenAIStream

    model = OpenAIStream(
        model=config.chat_model or DEFAULT_MODEL,
        # Servers of one's own often want no key, but the client does.
        api_key=config.api_key or "none",
        base_url=config.base_url or OPENAI_URL,
        timeout=openai.Timeout(config.timeout_seconds, connect=min(10, config.timeout_seconds)),
        stream_chunk_timeout=config.stall_seconds,
        stream_usage=True,
        max_retries=config.max_retries,
        window_seconds=config.window_seconds,
    )
    if config.vision != "auto":
        model.profile = {**(model.profile or {}), "image_inputs": config.vision == "on"}
    return model


async def close() -> None:
    """Close the loop's connections to the model's server."""
    if "chat.agent.transport" in sys.modules:
        from chat.agent import transport

        await transport.close()


def may_see(model: BaseChatModel) -> bool:
    """Whether the model is to be shown pictures: it takes them, or that is not known."""
    return (model.profile or {}).get("image_inputs") is not False


def describe(config: Config) -> Description:
    """What `create` makes of a configuration, without making it."""
    if config.is_demo:
        notice = "Demo model, local painter. Set OPENAI_API_KEY."
        return {"name": DEMO, "label": "Demo model", "demo": True, "notice": notice}
    name = config.chat_model or DEFAULT_MODEL
    host = urlsplit(config.base_url or OPENAI_URL).netloc
    label = name if host == urlsplit(OPENAI_URL).netloc else f"{name} at {host}"
    return {"name": name, "label": label, "demo": False, "notice": None}


def failure(error: BaseException) -> Failure:
    """What a failed run says. Every exception has an answer; unknown ones reveal nothing of themselves."""
    if isinstance(error, ContextOverflowError):
        return _TOO_LONG
    if "openai" in sys.modules:
        import openai

        if isinstance(error, openai.APIError):
            return _api_failure(error)
    if isinstance(error, TimeoutError):
        return Failure("model_stalled", "The model stopped in the middle of its answer. Try again.", True)
    if isinstance(error, json.JSONDecodeError):
        return Failure(
            "model_bad_answer", "The model server sent something that is not JSON. Try again.", True
        )
    return Failure("run_failed", "Something went wrong while answering. Try again.", True)


_ABOUT_PICTURES = re.compile("image|vision|multimodal", re.IGNORECASE)


def refuses_pictures(error: BaseException) -> bool:
    """Whether a request with pictures may have failed because of them.

    A server that takes none says so by whatever status it likes, some by none but the words.
    """
    if "openai" not in sys.modules:
        return False
    import openai

    if not isinstance(error, openai.APIError):
        return False
    match failure(error).code:
        case "model_request_rejected":
            return True
        case "model_not_found" | "model_unavailable" | "model_failed":
            return bool(_ABOUT_PICTURES.search(error.message))
    return False


_TOO_LONG = Failure(
    "context_too_long",
    "This conversation is too long for the model. Start a new one, or send less at once.",
    False,
)


def _api_failure(error: openai.APIError) -> Failure:
    import openai

    from chat.agent.openai_stream import StreamCutOff

    host = error.request.url.netloc.decode("ascii", "replace")
    code = f"{error.code or ''} {error.type or ''}"
    if any(isinstance(cause, StreamCutOff) for cause in _causes(error)):
        return Failure("model_cut_off", "The answer broke off before its end. Try again.", True)
    if "context_length_exceeded" in code:
        return _TOO_LONG
    if "content_filter" in code or "content_policy" in code or "moderation" in code:
        return Failure(
            "content_refused", "The model's provider refused this content. Put it differently.", False
        )
    if "insufficient_quota" in code or "billing" in code:
        return Failure(
            "model_quota",
            f"The account at {host} has no credit left. Add some, or set another OPENAI_API_KEY.",
            True,
        )
    match error:
        case openai.AuthenticationError():
            return Failure("model_key_rejected", f"{host} rejected the API key. Check OPENAI_API_KEY.", True)
        case openai.PermissionDeniedError():
            return Failure(
                "model_forbidden",
                f"The API key may not use this model at {host}. Check CHAT_MODEL and the key.",
                True,
            )
        case openai.NotFoundError():
            return Failure(
                "model_not_found",
                f"There is no such model at {host}. Check CHAT_MODEL and OPENAI_BASE_URL.",
                True,
            )
        case openai.RateLimitError():
            return Failure("model_busy", f"{host} is limiting requests. Wait a moment and try again.", True)
        case openai.BadRequestError() | openai.UnprocessableEntityError():
            return Failure(
                "model_request_rejected", f"{host} did not accept the request: {_said(error)}", False
            )
        case openai.APITimeoutError():
            return Failure("model_timeout", f"{host} did not answer in time. Try again.", True)
        case openai.APIConnectionError():
            if _had_begun(error):
                return Failure(
                    "model_cut_off", f"The connection to {host} was lost in mid-answer. Try again.", True
                )
            return Failure(
                "model_unreachable",
                f"The model server {host} cannot be reached. Is it running, and is OPENAI_BASE_URL right?",
                True,
            )
        case openai.InternalServerError():
            return Failure(
                "model_unavailable", f"{host} has trouble at the moment. Try again in a while.", True
            )
        case openai.APIResponseValidationError():
            return Failure(
                "model_bad_answer",
                f"{host} did not answer as an OpenAI-compatible server does. Check OPENAI_BASE_URL.",
                True,
            )
    return Failure("model_failed", f"{host} reported a problem: {_said(error)}", True)


def _had_begun(error: BaseException) -> bool:
    """Whether a connection error came in the middle of an answer and not before it."""
    return any(type(cause).__name__ in ("ReadError", "RemoteProtocolError") for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: LangChain raises connection errors anew, as its own kind."""
    while error is not None:
        yield error
        error = error.__cause__


def _said(error: openai.APIError) -> str:
    """The provider's own words, which may be long and have lines."""
    said = " ".join(error.message.split())
    return said if len(said) <= 300 else said[:299] + "…"
