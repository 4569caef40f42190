"""A thread's title, from its first turn."""

from __future__ import annotations

import asyncio
import logging
import re

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage

from chat.agent import history, prompts

logger = logging.getLogger(__name__)

LONGEST = 60
DEADLINE_SECONDS = 20.0
_READ = 1500
"""Characters of each text that the model is shown: a title needs no more."""


async def title(
    model: BaseChatModel,
    first_user_text: str,
    first_answer_text: str,
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> str:
    """A title of at most 60 characters: the model's, or the person's own first words where the model gives none."""
    turn = [
        HumanMessage(first_user_text[:_READ]),
        AIMessage(first_answer_text[:_READ] or "…"),
        HumanMessage(prompts.read("title")),
    ]
    try:
        async with asyncio.timeout(deadline_seconds):
            reply = await model.ainvoke(turn)
    except Exception as error:  # noqa: BLE001  # whatever the provider raises: a title is not worth a failure
        logger.warning("The model gave no title: %s", type(error).__name__)
        return plain(first_user_text)
    return clean(history.text(reply)) or plain(first_user_text)


def plain(first_user_text: str) -> str:
    """The person's own first words as a title."""
    return clean(first_user_text) or "New thread"


def clean(text: str) -> str:
    """The first line that says something, without Markdown, quotes and a label, cut at a word."""
    for raw in text.splitlines():
        line = re.sub(r"^[\s#>*_`\-]*(?:title\s*:)?", "", raw, flags=re.IGNORECASE)
        line = re.sub(r"\s+", " ", line).strip(" \"'“”‘’«»*_`#")
        line = line.rstrip(".:;,")
        if line:
            break
    else:
        return ""
    if len(line) <= LONGEST:
        return line
    head = line[: LONGEST - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[LONGEST // 2 :] else head).rstrip(" ,.;:") + "…"
