"""What a painter is: a prompt goes in, steps come out, the picture comes last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Step:
    """One moment of a painting under way."""

    progress: float
    """From 0 to 1, never falling within one painting."""
    text: str
    """What is being done, for a person: "laying in the sky"."""
    preview: bytes | None
    """The picture so far as a small JPEG, at most 512 px wide and 40 KB; None: nothing new to see."""


@dataclass(frozen=True)
class Picture:
    """A finished picture, encoded."""

    data: bytes
    mime: str
    width: int
    height: int
    revised_prompt: str | None
    """What the painter says it painted, where that is not the prompt."""


class Painter(Protocol):
    @property
    def external(self) -> bool:
        """Whether painting asks somebody outside, who may count and charge it."""

    def paint(self, prompt: str, *, size: tuple[int, int], seed: int) -> AsyncIterator[Step | Picture]:
        """Yields steps, then exactly one picture, then ends; raises PaintError.

        Cancelling the task that reads it, or closing the iterator, ends the work soon after.
        """


class PaintError(Exception):
    """A picture that could not be painted, in words that a person can act on.

    `code` is stable: invalid_prompt, invalid_size, refused, wrong_key, no_access, no_credit, rate_limited,
    unknown_model, unreachable, timeout, provider_error, bad_answer, too_large.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
