"""What the demo model remembers: what was said and painted in the messages it is given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from chat.agent import attachments

if TYPE_CHECKING:
    from collections.abc import Sequence

_FACT = re.compile(
    r"\b(?:my (?P<about>[\w ]{2,40}?) (?:is|are)|i am called|i(?:'|’)m called|call me|i am|i(?:'|’)m)"
    r"\s+(?P<value>[^.!?\n,;]{1,80})",
    re.IGNORECASE,
)
_PROPER_NAME = re.compile(r"[A-ZÀ-Þ]\S*(?: [A-ZÀ-Þ]\S*){0,2}$")


@dataclass(frozen=True)
class Memory:
    """The person's texts, oldest first, and the prompts of the pictures that were painted."""

    said: tuple[str, ...]
    painted: tuple[str, ...]

    @classmethod
    def of(cls, messages: Sequence[BaseMessage]) -> Memory:
        said = [
            attachments.words(message).strip() for message in messages if isinstance(message, HumanMessage)
        ]
        succeeded = {
            message.tool_call_id
            for message in messages
            if isinstance(message, ToolMessage) and message.status == "success"
        }
        painted = [
            str(call["args"].get("prompt", ""))
            for message in messages
            if isinstance(message, AIMessage)
            for call in message.tool_calls
            if call["name"] == "generate_image" and call["id"] in succeeded
        ]
        return cls(tuple(said), tuple(painted))

    def fact(self, about: str) -> str | None:
        """What the person last said of themself: `fact("name")`, `fact("favourite colour")`."""
        wanted = _plain(about)
        for text in reversed(self.said):
            found = fact_in(text)
            if found and _plain(found[0]) == wanted:
                return found[1]
        return None


def fact_in(text: str) -> tuple[str, str] | None:
    """A statement about the person, as (about what, what): "my name is Ada" is ("name", "Ada")."""
    if text.rstrip().endswith("?"):
        return None
    found = _FACT.search(text)
    if not found:
        return None
    about, value = found["about"], found["value"].strip()
    if about is None:
        # "call me Ada" is a name; "I am tired" is not.
        return ("name", value) if _PROPER_NAME.match(value) else None
    value = re.sub(r"\s+(?:and|but)\s+.*$", "", value) if about.strip().lower() == "name" else value
    return about.strip().lower(), value


def title(messages: Sequence[BaseMessage]) -> str:
    """A short title from the first thing the person said."""
    texts = [str(message.text).strip() for message in messages if isinstance(message, HumanMessage)]
    # The conversation may stand in the request itself, behind who said it.
    speaker = r"^\W*(?:the\s+)?(?:user|human|person|you)(?:\s+wrote)?\W*:\s*(.+)$"
    said = re.findall(speaker, texts[-1], re.IGNORECASE | re.MULTILINE) if texts else []
    said = said or [text for text in texts if not text.startswith("Give this conversation a title")]
    text = first_line(said[0] if said else "", 200)
    text = re.sub(
        r"^(?:(?:hello|hi|hey|please|now|ok|can you|could you|would you|i would like you to|let's)[\s,!.]+)*"
        r"(?:(?:paint|draw|sketch|make|create|generate|show|write|give|tell)\b(?: me| us)?\s*(?:about\s+)?)?"
        r"(?:an? (?:picture|image|painting|drawing) of\s+)?",
        "",
        text,
        flags=re.IGNORECASE,
    )
    words = re.sub(r",?\s+please$", "", re.split(r"[.!?:;\n]", text)[0]).split()
    short = " ".join(words[:6]).strip(" ,-*_#`\"'“”") or "A new conversation"
    return short[0].upper() + short[1:60]


def first_line(text: str, length: int) -> str:
    """The first line, cut to a length with an ellipsis."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _plain(about: str) -> str:
    return (
        re.sub(r"\s+", " ", about.strip().lower()).replace("color", "colour").replace("favorite", "favourite")
    )
