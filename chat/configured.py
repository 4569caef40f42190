"""The agent's parts as the settings name them: the model, the painter, and what the page says of them.

What they are made of is imported at the first call: it takes seconds, which no management command should wait for.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from chat.agent.models import Config, Description
    from chat.agent.painter import Painter


def _config() -> Config:
    from chat.agent.models import Config

    return Config(
        api_key=settings.OPENAI_API_KEY,
        base_url=settings.OPENAI_BASE_URL,
        chat_model=settings.CHAT_MODEL,
        vision=settings.CHAT_VISION,  # type: ignore[arg-type]  # settings checked it
        demo_tokens_per_second=settings.DEMO_TOKENS_PER_SECOND,
    )


@cache
def description() -> Description:
    """Which model answers: `{name, label, demo, notice}`; `notice` is what to set for a real one, or null."""
    from chat.agent import models

    return models.describe(_config())


@cache
def model() -> BaseChatModel:
    """The chat model."""
    from chat.agent import models

    return models.create(_config())


@cache
def the_painter() -> Painter:
    """The image backend."""
    from chat.agent import painter

    return painter.create(
        settings.IMAGE_BACKEND,  # type: ignore[arg-type]  # settings checked it
        api_key=settings.OPENAI_API_KEY,
        base_url=settings.OPENAI_BASE_URL,
        model=settings.IMAGE_MODEL,
    )
