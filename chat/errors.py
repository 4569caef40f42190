"""What can be wrong with a request, as stable codes.

Every transport turns a ChatError into its own shape: an `error` frame, an HTTP status with a body, a line in a form.
The codes are those of docs/protocol.md; a new one is an addition to the public contract.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ChatError(Exception):
    """A request that cannot be honoured; it has changed nothing."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def as_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            body["details"] = self.details
        return body


class InvalidFrame(ChatError):
    """The frame is not a JSON object with a `type`."""

    code, status = "invalid_frame", 400


class UnknownCommand(ChatError):
    """No command has this `type`."""

    code, status = "unknown_command", 400


class InvalidField(ChatError):
    """A field is missing, of the wrong kind, or unknown; `details.fields` names each."""

    code, status = "invalid_field", 422


class TextTooLong(ChatError):
    """The text is longer than the site accepts."""

    code, status = "text_too_long", 422


class FrameTooLarge(ChatError):
    """The frame or body is larger than the site accepts."""

    code, status = "frame_too_large", 413


class NotSignedIn(ChatError):
    """The request names nobody who is signed in."""

    code, status = "not_signed_in", 401


class Forbidden(ChatError):
    """The request came by a way that is not allowed, such as a session without its CSRF token."""

    code, status = "forbidden", 403


class MethodNotAllowed(ChatError):
    """There is such a thing, but this cannot be done with it; the header `Allow` says what can."""

    code, status = "method_not_allowed", 405


class NotFound(ChatError):
    """There is no such thing for this user; another user's looks exactly the same."""

    code, status = "not_found", 404


class Busy(ChatError):
    """A run is unfinished and the sender asked not to wait for it."""

    code, status = "busy", 409


class NothingToStop(ChatError):
    """No unfinished run is there to be stopped."""

    code, status = "nothing_to_stop", 409


class Conflict(ChatError):
    """The request contradicts what is already so."""

    code, status = "conflict", 409


class RateLimited(ChatError):
    """Too much was asked in too short a time."""

    code, status = "rate_limited", 429


class OverBudget(ChatError):
    """The person's allowance is used up."""

    code, status = "over_budget", 402


class InternalError(ChatError):
    """Something that should not happen has happened; what it was stands in the site's log."""

    code, status = "internal_error", 500


class Unavailable(ChatError):
    """Something the server needs does not answer right now; the same request may be sent again."""

    code, status = "unavailable", 503


class RunLost(Exception):
    """This worker no longer owns the run: another took it over, or a person stopped it. It may write nothing more."""


class HandedBack(Exception):
    """This worker stops, and gives the run up without an end; another goes on."""
