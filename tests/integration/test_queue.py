"""How much may wait in a thread: every snapshot has it whole, and stays below the frame that every client takes."""

from __future__ import annotations

import json
from typing import Any

import httpx

from chat import limits
from chat.commands import TEXT_MAX
from tests.client import Person

FRAME = 2**20
LONGEST = "\x01" * TEXT_MAX  # six bytes a character, as JSON


async def send(ada: Person, thread_id: str, text: str) -> httpx.Response:
    return await ada.http.post(f"/threads/{thread_id}/messages", json={"text": text})


async def stop(ada: Person, thread_id: str, id_: str) -> None:
    answer = await ada.http.post(f"/threads/{thread_id}/commands", json={"type": "stop", "id": id_})
    assert answer.status_code == 200


async def snapshot(ada: Person, thread_id: str) -> str:
    async with ada.http.stream("GET", f"/threads/{thread_id}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith('data: {"type":"snapshot"'):
                return line.removeprefix("data: ")
    raise AssertionError("no snapshot came")


def check_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), answer.text


async def test_what_waits_is_bounded_in_bytes_and_a_snapshot_with_it(ada: Person) -> None:
    thread_id = await ada.thread()
    for number in range(4):  # more than a snapshot shows of the path
        assert (await send(ada, thread_id, LONGEST)).status_code == 202
        await stop(ada, thread_id, str(number))
    assert (await send(ada, thread_id, "count to 1500")).status_code == 202
    assert (await send(ada, thread_id, LONGEST)).status_code == 202  # one may always wait
    check_refused(await send(ada, thread_id, LONGEST))
    small = 0
    while (answer := await send(ada, thread_id, "x" * 2000)).status_code == 202:
        small += 1
    check_refused(answer)
    assert 0 < small < limits.QUEUED_MAX - 1
    text = await snapshot(ada, thread_id)
    assert len(text) < FRAME
    found: dict[str, Any] = json.loads(text)
    waiting = [message for message in found["messages"] if message["status"] == "queued"]
    assert [len(message["text"]) for message in waiting] == [TEXT_MAX] + [2000] * small
    assert found["has_more"]
    await stop(ada, thread_id, "all")
    assert (await send(ada, thread_id, "say: again")).status_code == 202


async def test_what_waits_is_bounded_in_number(ada: Person) -> None:
    thread_id = await ada.thread()
    assert (await send(ada, thread_id, "count to 1500")).status_code == 202
    answers = [await send(ada, thread_id, f"{place}") for place in range(limits.QUEUED_MAX + 1)]
    assert [answer.status_code for answer in answers] == [202] * limits.QUEUED_MAX + [429]
    other = await ada.thread()
    assert (await send(ada, other, "say: elsewhere")).status_code == 202
    await stop(ada, thread_id, "all")
