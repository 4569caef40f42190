"""What a client may ask for: one class for each command, and the one parser of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from chat.errors import FrameTooLarge, InvalidField, InvalidFrame, TextTooLong, UnknownCommand

TEXT_MAX = 32_000
"""The longest message, in code points."""
FRAME_BYTES_MAX = 512 * 1024
"""The largest frame; a text of TEXT_MAX fits however it is escaped."""
ATTACHMENTS_MAX = 8
PROBLEMS_NAMED = 8
"""Of a frame with more fields wrong than that, the rest goes unnamed: an answer is never longer than what was asked."""


def _storable(text: str) -> str:
    """Postgres stores no NUL, and a lone surrogate is no character."""
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _known_form(value: object) -> object:
    """Ids are opaque strings to a client: one that is no UUID is no mistake of form, it just names nothing."""
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return UUID(int=0)
    return value


Id = Annotated[UUID, BeforeValidator(_known_form)]
CommandId = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_storable)]
Text = Annotated[str, StringConstraints(max_length=TEXT_MAX), AfterValidator(_storable)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    type: str


class SendMessage(_Command):
    type: Literal["send_message"] = "send_message"
    id: CommandId
    text: Text
    attachments: Annotated[list[Id], Field(max_length=ATTACHMENTS_MAX)] = []
    parent_id: Id | None = None
    when_busy: Literal["queue", "stop", "reject"] = "queue"


class Stop(_Command):
    type: Literal["stop"] = "stop"
    id: CommandId
    run_id: Id | None = None


class Retry(_Command):
    type: Literal["retry"] = "retry"
    id: CommandId
    run_id: Id


class Received(_Command):
    type: Literal["received"] = "received"
    seq: Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Ping(_Command):
    type: Literal["ping"] = "ping"
    id: CommandId


Command = SendMessage | Stop | Retry | Received | Ping
Durable = SendMessage | Stop | Retry
"""The commands that are honoured once and answered by an ack."""

adapter: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
TYPES = frozenset(cls.model_fields["type"].default for cls in (SendMessage, Stop, Retry, Received, Ping))


def loads(raw: str | bytes) -> dict[str, Any]:
    """The frame's JSON object. Raises FrameTooLarge, InvalidFrame."""
    frame = loads_object(raw)
    if not isinstance(frame.get("type"), str):
        raise InvalidFrame("A frame is one JSON object with a string `type`.")
    return frame


def loads_object(raw: str | bytes) -> dict[str, Any]:
    """A JSON object of whatever fields. Raises FrameTooLarge, InvalidFrame."""
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    if len(data) > FRAME_BYTES_MAX:
        raise FrameTooLarge(f"A frame may have {FRAME_BYTES_MAX} bytes; this one has {len(data)}.")
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InvalidFrame("A frame is one JSON object; this is not JSON.") from None
    if not isinstance(fields, dict):
        raise InvalidFrame("A frame is one JSON object.")
    return fields


def parse(frame: dict[str, Any]) -> Command:
    """The command that the frame asks for. Raises UnknownCommand, InvalidField, TextTooLong."""
    if frame["type"] not in TYPES:
        raise UnknownCommand(f"There is no command {frame['type'][:64]!r}.")
    try:
        return adapter.validate_python(frame)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidField | TextTooLong:
    fields: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"][1:]) or "frame"
        if problem["type"] == "string_too_long" and name == "text":
            return TextTooLong(f"A message may have {TEXT_MAX} characters.", limit=TEXT_MAX)
        if len(fields) < PROBLEMS_NAMED:
            fields[name[:64]] = problem["msg"]
    first = next(iter(fields.items()))
    return InvalidField(f"{first[0]}: {first[1]}", fields=fields)
