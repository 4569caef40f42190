"""What the model is shown of the pictures that people attach, as the fake OpenAI server got it."""

from __future__ import annotations

import base64
import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import PIL.Image
import pytest
import pytest_asyncio
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from langchain_core.messages import HumanMessage

from chat import images, runs
from chat.agent import attachments, checkpoints, models, resume, sight
from chat.agent.models import Config
from chat.db import in_thread
from chat.effects import RunEffects
from chat.log import Fence
from tests.client import Person
from tests.fakes.agents import ScriptedModel
from tests.fakes.checkpointed import Thread
from tests.fakes.openai_server import FakeOpenAI
from tests.services.databases import Database
from tests.site import Site


def photo(width: int = 60, height: int = 40) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "#c81e1e").save(out, "PNG")
    return out.getvalue()


def opened(url: str) -> PIL.Image.Image:
    """The picture of a data URL."""
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return PIL.Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture
async def grace(fake_site: Site, openai: FakeOpenAI) -> Person:
    openai.forget()
    return await fake_site.person()


async def upload(person: Person, data: bytes) -> str:
    made = await person.http.post("/images", files={"file": ("photo.png", data, "image/png")})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_the_model_sees_what_a_person_attaches_and_its_memory_keeps_no_picture(
    fake_site: Site, grace: Person, openai: FakeOpenAI
) -> None:
    red = await upload(grace, photo(1600, 1200))
    thread_id = await grace.thread()
    async with await grace.ready(thread_id) as tab:
        answer = await tab.hear("what is on it?", attachments=[red])
        assert answer["status"] == "complete"
        await tab.hear("and what colour?")
    first, second = (one for one in openai.requests if one["on"] == "chat" and one["tools"])
    (url,) = first["pictures"]
    picture = opened(url)
    assert (picture.format, picture.size) == ("JPEG", (1024, 768))
    colour: Any = picture.getpixel((500, 400))
    assert max(abs(a - b) for a, b in zip(colour, (0xC8, 0x1E, 0x1E), strict=True)) < 12
    assert red in first["prompt"]  # the tools take ids
    assert second["pictures"] == [url]  # it is looked at again
    ((kept,),) = fake_site.database.query(
        "SELECT (SELECT sum(octet_length(blob)) FROM checkpoint_writes WHERE thread_id = %s)"
        " + (SELECT coalesce(sum(octet_length(blob)), 0) FROM checkpoint_blobs WHERE thread_id = %s)",
        thread_id,
        thread_id,
    )
    assert 0 < kept < 8_000 < len(url)


async def test_a_server_that_refuses_pictures_is_asked_without_them(
    grace: Person, openai: FakeOpenAI
) -> None:
    red = await upload(grace, photo())
    openai.script({"status": 400, "error": {"message": "Unknown content type.", "code": "invalid_value"}})
    async with await grace.ready(await grace.thread()) as tab:
        answer = await tab.hear("what is on it?", attachments=[red])
    assert answer["status"] == "complete"
    assert "it cannot be shown to you now" in answer["text"]  # the fake says what it was told
    asked = [one["pictures"] for one in openai.requests if one["tools"]]
    assert [len(pictures) for pictures in asked] == [1, 0]


async def test_effects_show_a_persons_own_pictures_and_no_others(database: Database) -> None:
    ada, bob = await in_thread(_people)
    own, foreign = [
        await in_thread(images.upload, person, photo(40, 2000), "photo.png") for person in (ada, bob)
    ]
    effects = RunEffects(_claim_of(ada))
    seen = await effects.view(str(own.id))
    assert seen is not None
    assert PIL.Image.open(io.BytesIO(seen)).size == (20, 1024)
    assert await effects.view(str(foreign.id)) is None
    await in_thread(default_storage.delete, own.file)
    images.view.cache_clear()
    assert await effects.view(str(own.id)) is None


def _people() -> list[User]:
    return [User.objects.create_user(name) for name in ("ada", "bob")]


def _claim_of(user: User) -> runs.Claim:
    run_id = uuid.uuid4()
    return runs.Claim(
        run_id=run_id,
        thread_id=uuid.uuid4(),
        owner_id=user.pk,
        answer_id=uuid.uuid4(),
        prompt=resume.Turn(str(run_id), HumanMessage("look"), complete=False),
        earlier=[],
        fence=Fence(run_id, 1),
        started_at=user.date_joined,
        newest_checkpoint_id=None,
        again=False,
    )


# The agent alone, over its own checkpoints


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server
    await models.close()


@pytest.fixture
def thread(pool: checkpoints.Pool, server: FakeOpenAI) -> Thread:
    model: Any = models.create(Config(base_url=server.base_url, chat_model="fake", max_retries=0))
    return Thread(pool, model)


async def say(thread: Thread, text: str, *image_ids: str) -> str:
    run_id = f"run-{uuid.uuid4()}"
    human = HumanMessage(attachments.content(text, image_ids), id=f"human-{run_id}")
    attempt = await thread.begin(run_id, human)
    await attempt.read()
    thread.path.append(attempt.turn(complete=True))
    return attempt.translation.text


def shown(server: FakeOpenAI) -> list[list[bytes]]:
    """The pictures of each request."""
    return [[base64.b64decode(url.partition(",")[2]) for url in one["pictures"]] for one in server.requests]


async def test_only_the_last_messages_with_pictures_are_shown(thread: Thread, server: FakeOpenAI) -> None:
    for at in range(sight.MESSAGES + 2):
        thread.world.views[str(at)] = b"picture %d" % at
        await say(thread, f"message {at}", str(at))
        await say(thread, "and?")
    first = 2
    expected = [b"picture %d" % at for at in range(first, sight.MESSAGES + 2)]
    assert shown(server)[-1] == expected


async def test_what_one_request_carries_is_bounded_and_the_newest_goes_first(
    thread: Thread, server: FakeOpenAI
) -> None:
    large = sight.BYTES_MAX // 3
    for name in ("old", "new", "newest"):
        thread.world.views[name] = name.encode().ljust(large, b".")
        await say(thread, name, name)
    assert [data[:6].rstrip(b".") for data in shown(server)[-1]] == [b"new", b"newest"]


async def test_every_call_of_a_run_is_shown_the_picture(thread: Thread, server: FakeOpenAI) -> None:
    thread.world.views["one"] = b"a picture"
    await say(thread, "background navy", "one")
    assert shown(server) == [[b"a picture"], [b"a picture"]]


async def test_a_picture_that_is_gone_is_named_only(thread: Thread, server: FakeOpenAI) -> None:
    thread.world.views["here"] = b"a picture"
    said = await say(thread, "look", "gone", "here")
    assert shown(server) == [[b"a picture"]]
    assert "image_id: gone; it cannot be shown to you now)" in said
    assert "image_id: here)" in said


async def test_a_picture_without_a_word_is_a_message(thread: Thread, server: FakeOpenAI) -> None:
    thread.world.views["one"] = b"a picture"
    await say(thread, "", "one")
    assert shown(server) == [[b"a picture"]]


@pytest.mark.parametrize(
    ("refusal", "requests"),
    [
        ({"status": 400, "error": {"message": "messages: expected a string"}}, 2),
        ({"status": 422, "error": {"message": "expected a string"}}, 2),
        ({"status": 404, "error": {"message": "No endpoints found that support image input"}}, 2),
        ({"status": 500, "error": {"message": "image input is not supported"}}, 2),
        ({"after": 0, "then": "error", "error": {"message": "this model has no vision"}}, 2),
        ({"status": 500, "error": {"message": "out of memory"}}, 1),
        ({"status": 404, "error": {"message": "no such model"}}, 1),
        ({"status": 401, "error": {"message": "no image for you"}}, 1),
        ({"status": 400, "error": {"message": "bad image", "code": "content_filter"}}, 1),
        ({"status": 400, "error": {"message": "too long", "code": "context_length_exceeded"}}, 1),
        ({"text": "half a", "after": 2, "then": "cut"}, 1),
    ],
)
async def test_only_a_refusal_of_pictures_is_answered_by_asking_without(
    thread: Thread, server: FakeOpenAI, refusal: dict[str, Any], requests: int
) -> None:
    thread.world.views["one"] = b"a picture"
    server.script(refusal)
    if requests == 1:
        with pytest.raises(Exception):  # noqa: B017, PT011  whichever it was, it goes through as it is
            await say(thread, "look", "one")
    else:
        assert "You said: look" in await say(thread, "look", "one")
    assert shown(server) == [[b"a picture"], []][:requests]


async def test_a_request_without_pictures_that_is_refused_is_not_repeated(
    thread: Thread, server: FakeOpenAI
) -> None:
    server.script({"status": 400, "error": {"message": "image input is not supported"}})
    with pytest.raises(Exception, match="not supported"):
        await say(thread, "look", "gone")
    assert shown(server) == [[]]


async def test_a_model_that_cannot_see_is_told_so_and_nothing_is_read(pool: checkpoints.Pool) -> None:
    model = ScriptedModel(script=lambda messages: ["I cannot see it."], profile={"image_inputs": False})
    thread = Thread(pool, model)
    thread.world.views["one"] = b"a picture"
    await say(thread, "look", "one")
    assert [block["type"] for block in model.read[0][-1].content] == ["text", "text"]  # type: ignore[index]
    assert "it cannot be shown to you now" in model.read[0][-1].text
    assert thread.world.viewed == []
