"""docs/protocol.md is true: every example is what the code says or takes, and nothing of the code lacks one."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, get_args
from uuid import UUID

import pytest
from django.conf import settings
from pydantic import BaseModel, ConfigDict, TypeAdapter

from chat import (
    commands,
    errors,
    events,
    execution,
    flow,
    frames,
    history,
    images,
    objects,
    sockets,
    threads,
)
from chat.agent import models
from chat.api.threads import ThreadEntry
from chat.api.urls import api
from chat.consumers.thread import BAD_FRAMES_MAX
from chat.runs import claims
from chat.runs import rows as run_rows
from tests.services.process import ROOT
from tests.site import check_event

TEXT = (ROOT / "docs" / "protocol.md").read_text()


def section(title: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def examples(text: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = [at for at, row in enumerate(cells) if set(row[0]) == {"-"}]
    return [row for at, row in enumerate(cells) if at not in heads and at + 1 not in heads]


def types_of(found: list[dict[str, Any]]) -> set[str]:
    return {example["type"] for example in found}


def test_every_event_has_an_example_that_is_one() -> None:
    found = examples(section("Events"))
    for example in found:
        check_event(example)
    assert types_of(found) == {cls.model_fields["type"].default for cls in get_args(events.Event)}


def test_every_command_has_an_example_that_is_taken_and_names_all_its_fields() -> None:
    found = examples(section("Commands"))
    for example in found:
        command = commands.parse(commands.loads(json.dumps(example)))
        assert command.model_dump(mode="json") == example
    assert types_of(found) == commands.TYPES


def test_every_object_has_an_example_that_is_one() -> None:
    kinds: TypeAdapter[Any] = TypeAdapter(
        objects.Thread | objects.Message | objects.Run | objects.ToolCall | objects.Image
        | objects.ImageBackground | objects.PlainBackground | objects.RunError | objects.Interrupt
    )  # fmt: skip
    seen = set()
    for example in examples(section("Objects")):
        found = kinds.validate_python(example)
        assert found.model_dump(mode="json") == example
        seen.add(type(found))
    # Accent stands in the example of a background.
    assert seen == set(objects.Object.__subclasses__()) - {objects.Accent, ThreadEntry}


class _Snapshot(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: str
    seq: int
    thread: objects.Thread
    messages: list[objects.Message]
    runs: list[objects.Run]
    has_more: bool


def control(example: dict[str, Any]) -> str:
    """The frame as the server makes it of the values that the example has."""
    match example["type"]:
        case "hello":
            assert example["heartbeat_seconds"] == frames.HEARTBEAT_SECONDS
            return frames.hello(UUID(example["thread_id"]), example["seq"])
        case "snapshot":
            _Snapshot.model_validate(example)
            return frames.snapshot(example)
        case "caught_up":
            return frames.caught_up(example["seq"])
        case "ack":
            return frames.ack(
                example["id"], {name: value for name, value in example.items() if name not in ("type", "id")}
            )
        case "error":
            return error_frame(example)
        case "ping":
            return frames.PING
        case "pong":
            return frames.pong(example["id"])
        case "threads":
            return frames.threads(list(map(entry, example["threads"])))
        case "thread_changed":
            return frames.thread_changed(entry(example["thread"]))
        case "thread_removed":
            return frames.thread_removed(example["thread_id"])
    raise AssertionError(f"no frame of the server is a {example['type']}")


def entry(example: dict[str, Any]) -> dict[str, Any]:
    assert ThreadEntry.model_validate(example).model_dump(mode="json") == example
    return example


ERRORS: dict[str, type[errors.ChatError]] = {cls.code: cls for cls in errors.ChatError.__subclasses__()}


def error_frame(example: dict[str, Any]) -> str:
    problem = ERRORS[example["code"]](example["message"], **example.get("details", {}))
    return frames.error(example["id"], problem)


def test_every_control_frame_has_an_example_as_the_server_makes_it() -> None:
    found = examples(section("Control frames")) + examples(section("The socket of the list"))
    for example in found:
        assert json.loads(control(example)) == example
    made = {
        name
        for name, function in inspect.getmembers(frames, inspect.isfunction)
        if function.__module__ == frames.__name__ and not name.startswith("_") and name != "type_of"
    }
    assert types_of(found) == made | {"ping"}


def test_every_error_has_an_example_and_its_status() -> None:
    text = section("Errors")
    by_socket = [example for example in examples(text) if "type" in example]
    for example in by_socket:
        assert json.loads(error_frame(example)) == example
    by_http = [example for example in examples(text) if "type" not in example]
    for example in by_http:
        assert ERRORS[example["code"]](example["message"]).as_dict() == example
    assert {example["code"] for example in by_socket + by_http} == set(ERRORS)
    table = {row[0].strip("`"): int(row[1]) for row in rows(text.partition("### Why a run fails")[0])}
    assert table == {code: cls.status for code, cls in ERRORS.items()}


def test_every_reason_of_a_failed_run_is_listed() -> None:
    listed = {row[0].strip("`") for row in rows(section("Errors").partition("### Why a run fails")[2])}
    given = set(re.findall(r"""\bFailure\(\s*"(\w+)\"""", inspect.getsource(models)))
    given |= set(re.findall(r"""_fail\(\s*"(\w+)\"""", inspect.getsource(execution)))
    given |= set(
        re.findall(r"""RunError\(code="(\w+)\"""", inspect.getsource(claims) + inspect.getsource(run_rows))
    )
    assert listed == given


def test_every_close_code_is_listed() -> None:
    codes = {int(row[0]) for row in rows(section("Control frames"))}
    assert codes == {
        sockets.RESTARTING,
        sockets.NOT_PROTOCOL,
        sockets.NOT_SIGNED_IN,
        sockets.NO_SUCH_THREAD,
        sockets.SLOW,
        sockets.TOO_MANY,
    }


def test_every_call_of_the_api_is_listed() -> None:
    listed = set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", section("HTTP"), re.MULTILINE))
    schema = api.get_openapi_schema()
    offered = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in schema["paths"].items()
        for method in methods
    }
    assert listed == offered | {"GET /threads/{thread_id}/events"}


def test_the_limits_are_those_of_the_code() -> None:
    assert [int(row[1]) for row in rows(section("Limits"))] == [
        commands.TEXT_MAX,
        commands.ATTACHMENTS_MAX,
        commands.FRAME_BYTES_MAX,
        threads.TITLE_MAX,
        settings.UPLOAD_BYTES_MAX,
        images.PIXELS_MAX,
        flow.UNRECEIVED_BYTES_MAX,
        BAD_FRAMES_MAX,
        history.PAGE,
    ]
    assert f"after that is closed with {sockets.SLOW}" in TEXT
    assert f"for {settings.SLOW_CLIENT_SECONDS}\nseconds" in TEXT


@pytest.mark.parametrize("cls", [*get_args(events.Event), *get_args(commands.Command)])
def test_no_class_takes_a_field_that_is_not_documented(cls: type[BaseModel]) -> None:
    assert cls.model_config["extra"] == "forbid"


def test_every_link_of_the_page_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / "docs" / target).exists(), target
