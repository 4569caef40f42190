"""The pictures that came with a person's message: as the agent's memory keeps them, and as a model reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage

Content = str | list[str | dict[str, Any]]
_Message = TypeVar("_Message", bound=BaseMessage)

MIME = "image/jpeg"
"""What a picture is shown as."""

_NAMED = "(A picture that the person attached; image_id: "


def content(text: str, image_ids: Sequence[str]) -> Content:
    """What a person's message keeps: its text alone, or with a reference to each picture."""
    if not image_ids:
        return text
    kept: list[str | dict[str, Any]] = [{"type": "text", "text": text}] if text.strip() else []
    kept += [{"type": "image", "file_id": image_id} for image_id in image_ids]
    return kept


def references(message: BaseMessage) -> list[str]:
    """The ids of the pictures that the message refers to."""
    if not isinstance(message, HumanMessage) or isinstance(message.content, str):
        return []
    return [image_id for block in message.content if (image_id := _reference(block))]


def described(message: _Message, pictures: Mapping[str, str]) -> _Message:
    """The message with the name of each picture in the place of its reference, and behind it the picture itself.

    `pictures` are in base64 by their ids; of one that is not among them the model is told that it cannot see it. It can
    name that one all the same, for instance to put it behind the page.
    """
    if not references(message):
        return message
    blocks: list[str | dict[str, Any]] = []
    for block in message.content:
        image_id = _reference(block)
        if image_id is None:
            blocks.append(block)
            continue
        encoded = pictures.get(image_id)
        unseen = "" if encoded else "; it cannot be shown to you now"
        blocks.append({"type": "text", "text": f"{_NAMED}{image_id}{unseen})"})
        if encoded:
            blocks.append({"type": "image", "base64": encoded, "mime_type": MIME})
    return message.model_copy(update={"content": blocks})


def words(message: BaseMessage) -> str:
    """What the person wrote, of a message as a model reads it."""
    return "\n\n".join(text for text in _texts(message) if not text.startswith(_NAMED))


def has_pictures(message: BaseMessage) -> bool:
    """Whether pictures came with the message, as a model reads it: shown or only named."""
    return any(text.startswith(_NAMED) for text in _texts(message))


def _reference(block: str | dict[str, Any]) -> str | None:
    return block.get("file_id") if isinstance(block, dict) and block.get("type") == "image" else None


def _texts(message: BaseMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    texts = (block if isinstance(block, str) else block.get("text") for block in message.content)
    return [text for text in texts if isinstance(text, str)]
