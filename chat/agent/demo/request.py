"""What the demo model is asked, and what it can answer with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chat.agent.demo.memory import Memory


@dataclass(frozen=True)
class Call:
    """A tool call to be made."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model says, and then the tools that it calls."""

    text: str
    tool_calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Request:
    """The last thing the person said, with what it is said in."""

    text: str
    memory: Memory
    tools: frozenset[str]
    attached: bool

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.text, re.IGNORECASE | re.DOTALL)


def polite(text: str) -> str:
    """A request without the politeness around it, so that "could you please paint" is "paint"."""
    opening = (
        r"^\s*(?:"
        r"(?:please|now|ok(?:ay)?|well|so|hey|hello|hi|and|then|great|thanks|thank you|nice|cool|yes)\b[\s,.!:]+|"
        r"(?:can|could|would|will) you(?: please)?\s+|(?:i(?:'d| would) like|i want) you to\s+|let(?:'|’)?s\s+)+"
    )
    stripped = re.sub(opening, "", text, flags=re.IGNORECASE)
    return (
        re.sub(r"[\s,]*\bplease\b([.!?]*)\s*$", r"\1", stripped, flags=re.IGNORECASE).strip() or text.strip()
    )
