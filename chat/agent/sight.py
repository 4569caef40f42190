"""What the model sees: the pictures that a person attaches to a message.

A message is kept with references, so that a picture costs the agent's memory as much as its id. At each call of the
model the pictures of the person's last messages are put in their place; where the model cannot see, or its server
refuses pictures, and of earlier messages, it is told that there is one.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AnyMessage

from chat.agent import attachments, models
from chat.agent.context import Effects, RunContext

logger = logging.getLogger(__name__)

MESSAGES = 5
"""Of the messages with pictures, the last ones whose pictures are shown."""

BYTES_MAX = 4 * 2**20
"""The most that the pictures of one request come to; the newest go first."""


class Sight(AgentMiddleware[AgentState[Any], RunContext]):
    """Puts pictures, or words for them, in the place of references.

    A model that is known to take no images gets none. One that is not known is asked: if its server refuses, the same
    request goes there once more without the pictures.
    """

    async def awrap_model_call(
        self,
        request: ModelRequest[RunContext],
        handler: Callable[[ModelRequest[RunContext]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        attached = [message for message in request.messages if attachments.references(message)]
        if not attached:
            return await handler(request)
        if models.may_see(request.model):
            pictures = await _look_at(attached[-MESSAGES:], request.runtime.context.effects)
            try:
                return await handler(_showing(request, pictures))
            except Exception as error:
                if not pictures or not models.refuses_pictures(error):
                    raise
                logger.info("The model's server refused pictures (%s); asked without.", type(error).__name__)
        return await handler(_showing(request, {}))


async def _look_at(messages: Sequence[AnyMessage], effects: Effects) -> dict[str, str]:
    """The pictures of these messages in base64 by their ids, the newest first, as far as BYTES_MAX reaches."""
    pictures: dict[str, str] = {}
    room = BYTES_MAX
    newest_first = (id_ for message in reversed(messages) for id_ in attachments.references(message))
    for image_id in dict.fromkeys(newest_first):
        data = await effects.view(image_id)
        if data is None:
            continue
        encoded = base64.b64encode(data).decode()
        room -= len(encoded)
        if room < 0:
            break
        pictures[image_id] = encoded
    return pictures


def _showing(request: ModelRequest[RunContext], pictures: Mapping[str, str]) -> ModelRequest[RunContext]:
    return request.override(
        messages=[attachments.described(message, pictures) for message in request.messages]
    )
