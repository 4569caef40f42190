"""Which model is made, what it is called, and what its failures say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.agent import models
from chat.agent.demo import DemoModel
from chat.agent.models import Config
from tests.fakes.openai_server import FakeOpenAI


def test_nothing_set_is_the_demo_model_and_says_so() -> None:
    assert isinstance(models.create(Config()), DemoModel)
    description = models.describe(Config())
    assert description["demo"]
    assert "OPENAI_API_KEY" in (description["notice"] or "")


def test_the_demo_model_imports_no_client() -> None:
    code = "import sys; from chat.agent import models; models.create(models.Config()); print('openai' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("config", "label"),
    [
        (Config(api_key="k"), models.DEFAULT_MODEL),
        (Config(api_key="k", chat_model="gpt-x"), "gpt-x"),
        (Config(base_url="http://localhost:11434/v1", chat_model="llama"), "llama at localhost:11434"),
    ],
)
def test_a_real_model_is_named(config: Config, label: str) -> None:
    description = models.describe(config)
    assert (description["label"], description["demo"], description["notice"]) == (label, False, None)


@pytest.mark.parametrize(
    ("config", "may_see"),
    [
        (Config(), False),
        (Config(api_key="k", chat_model="gpt-5-mini"), True),
        (Config(api_key="k", chat_model="gpt-3.5-turbo"), False),
        (Config(base_url="http://localhost:11434/v1", chat_model="whatever"), True),
        (Config(api_key="k", chat_model="gpt-3.5-turbo", vision="on"), True),
        (Config(api_key="k", chat_model="gpt-5-mini", vision="off"), False),
        (Config(base_url="http://localhost:11434/v1", chat_model="whatever", vision="off"), False),
    ],
)
def test_a_model_is_shown_pictures_unless_it_is_known_or_said_to_take_none(
    config: Config, may_see: bool
) -> None:
    assert models.may_see(models.create(config)) is may_see


def test_the_environment_is_not_read_behind_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    chat: Any = models.create(Config(api_key="k"))
    assert str(chat.root_async_client.base_url).startswith(models.OPENAI_URL)


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server
    await models.close()


async def failed(config: Config) -> models.Failure:
    """What a person is told when the model of this configuration fails."""
    try:
        async for _ in models.create(config).astream("Hello"):
            pass
    except Exception as error:  # noqa: BLE001 - any of them must have words
        return models.failure(error)
    raise AssertionError("the model did not fail")


TURNS: list[tuple[dict[str, Any], str, bool]] = [
    ({"status": 401, "error": {"message": "No."}}, "model_key_rejected", True),
    ({"status": 403, "error": {"message": "No."}}, "model_forbidden", True),
    ({"status": 404, "error": {"message": "No."}}, "model_not_found", True),
    ({"status": 429, "error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}, "model_busy", True),
    ({"status": 429, "error": {"message": "Pay.", "code": "insufficient_quota"}}, "model_quota", True),
    (
        {"status": 400, "error": {"message": "No.", "code": "context_length_exceeded"}},
        "context_too_long",
        False,
    ),
    ({"status": 400, "error": {"message": "No.", "code": "content_filter"}}, "content_refused", False),
    ({"status": 400, "error": {"message": "No tools.", "code": "x"}}, "model_request_rejected", False),
    ({"status": 503, "error": {"message": "Later."}}, "model_unavailable", True),
    ({"text": "a b c", "after": 2, "then": "cut"}, "model_cut_off", True),
    ({"text": "a b c", "after": 2, "then": "end"}, "model_cut_off", True),
    ({"text": "a b c", "after": 2, "then": "stall"}, "model_stalled", True),
    ({"text": "a b c", "after": 2, "then": "error", "error": {"message": "Odd."}}, "model_failed", True),
    ({"raw": ["<html>"]}, "model_bad_answer", True),
    ({"raw": ["data: {oh\n\n"]}, "model_bad_answer", True),
]


@pytest.mark.parametrize(
    ("turn", "code", "retryable"), TURNS, ids=[f"{code}-{at}" for at, (_, code, _) in enumerate(TURNS)]
)
async def test_a_failure_is_told_in_words(
    server: FakeOpenAI, turn: dict[str, Any], code: str, *, retryable: bool
) -> None:
    server.script({**turn, "times": None})
    failure = await failed(
        Config(base_url=server.base_url, chat_model="fake", max_retries=0, stall_seconds=0.3)
    )
    assert (failure.code, failure.retryable) == (code, retryable)
    assert failure.message.endswith((".", "?"))


async def test_a_server_that_is_not_there_is_named() -> None:
    failure = await failed(Config(base_url="http://127.0.0.1:9/v1", chat_model="fake", max_retries=0))
    assert failure.code == "model_unreachable"
    assert "127.0.0.1:9" in failure.message


async def test_a_server_that_does_not_answer_is_a_timeout(server: FakeOpenAI) -> None:
    server.script({"text": "late", "headers_seconds": 5})
    failure = await failed(
        Config(base_url=server.base_url, chat_model="fake", max_retries=0, timeout_seconds=0.2)
    )
    assert failure.code == "model_timeout"


def test_what_is_not_known_reveals_nothing() -> None:
    failure = models.failure(RuntimeError("password=hunter2"))
    assert failure == ("run_failed", "Something went wrong while answering. Try again.", True)
    assert models.failure(json.JSONDecodeError("x", "y", 0)).code == "model_bad_answer"
