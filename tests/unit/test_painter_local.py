"""The local painter: previews on the way, the same picture for the same prompt, subjects that can be seen."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image, ImageChops

from chat.agent.painter import Painter, PaintError, Picture, Step, create, rooms
from chat.agent.painter.local import LocalPainter, read, studio, words
from chat.agent.painter.local.actors import SHAPES
from chat.agent.painter.local.canvas import Canvas

SIZE = (384, 256)


async def painted(painter: Painter, prompt: str, size: tuple[int, int] = SIZE) -> tuple[list[Step], Picture]:
    parts = [part async for part in painter.paint(prompt, size=size, seed=1)]
    steps = [part for part in parts if isinstance(part, Step)]
    assert isinstance(parts[-1], Picture)
    assert len(steps) == len(parts) - 1
    return steps, parts[-1]


def rendered(prompt: str, size: tuple[int, int] = SIZE) -> Image.Image:
    canvas = Canvas(size)
    for _, work in studio.stages(canvas, read(prompt, 1)):
        work()
    assert np.isfinite(canvas.pixels).all()
    return canvas.image()


async def test_steps_rise_sharpen_and_end_in_the_picture() -> None:
    steps, picture = await painted(create("local"), "a red fox at sunset", (1536, 1024))
    assert [step.progress for step in steps] == sorted({step.progress for step in steps})
    assert "placing the fox" in [step.text for step in steps]
    previews = [step.preview for step in steps if step.preview]
    assert len(previews) >= 3
    assert all(len(preview) <= 40_000 for preview in previews)
    assert {Image.open(io.BytesIO(preview)).size for preview in previews} == {(512, 341)}
    image = Image.open(io.BytesIO(picture.data))
    assert (image.size, picture.mime, image.format) == ((1536, 1024), "image/webp", "WEBP")
    assert picture.revised_prompt
    final = image.convert("RGB").resize((512, 341))
    distances = [
        float(np.asarray(ImageChops.difference(Image.open(io.BytesIO(preview)), final)).mean())
        for preview in previews
    ]
    assert distances == sorted(distances, reverse=True)


async def test_the_same_prompt_and_seed_give_the_same_bytes() -> None:
    painter = create("local")
    (_, one), (_, again) = await asyncio.gather(
        painted(painter, "a stormy sea"), painted(painter, "a stormy sea")
    )
    assert one.data == again.data


@pytest.mark.parametrize(
    "subject", [*sorted(SHAPES), "bridge", "tree", "flowers", "birds", "moon", "star", "planet"]
)
def test_every_subject_can_be_seen(subject: str) -> None:
    """Against the same scene without it: enough of the picture differs."""
    scene = read(f"a {subject} on the hills at night", 1)
    assert scene.has(subject)  # type: ignore[arg-type]
    canvases = []
    for actors in (scene.actors, ()):
        canvas = Canvas(SIZE)
        for _, work in studio.stages(canvas, type(scene)(**{**vars(scene), "actors": actors})):
            work()
        canvases.append(np.asarray(canvas.image(), int))
    changed = np.abs(canvases[0] - canvases[1]).max(axis=2) > 20
    assert changed.mean() > 0.001


def test_the_red_fox_is_red_and_stands_in_the_lower_part() -> None:
    hsv = np.asarray(rendered("a red fox in the snow by day, mountains").convert("HSV"), int)
    red = ((hsv[..., 0] < 18) | (hsv[..., 0] > 245)) & (hsv[..., 1] > 130) & (hsv[..., 2] > 110)
    assert red.mean() > 0.008
    assert np.nonzero(red)[0].mean() > SIZE[1] * 0.55


def test_the_light_falls_from_noon_to_night() -> None:
    times = ("noon", "sunset", "dusk", "night")
    lights = [float(np.asarray(rendered(f"hills, {time}").convert("L")).mean()) for time in times]
    assert lights == sorted(lights, reverse=True)
    assert 15 < lights[-1] < lights[0] < 215


@pytest.mark.parametrize("weather", sorted(set(words.WEATHERS.values())))
@pytest.mark.parametrize("place", sorted(set(words.PLACES.values())))
def test_every_place_can_be_painted_in_every_weather(place: str, weather: str) -> None:
    places = {value: name for name, value in reversed(words.PLACES.items())}
    weathers = {value: name for name, value in reversed(words.WEATHERS.items())}
    picture = rendered(f"{places[place]} {weathers[weather]}", (96, 64))  # type: ignore[index]
    assert np.asarray(picture).std() > 3


@pytest.mark.parametrize("size", [(1024, 1536), (1024, 1024), (64, 64), (256, 64), (64, 256)])
async def test_other_proportions_are_painted_too(size: tuple[int, int]) -> None:
    _, picture = await painted(create("local"), "a boat on a lake with mountains", size)
    assert (picture.width, picture.height) == Image.open(io.BytesIO(picture.data)).size == size


@pytest.mark.parametrize(
    ("prompt", "size", "code"),
    [
        ("  ", SIZE, "invalid_prompt"),
        ("a fox", (10, 10), "invalid_size"),
        ("a fox", (9000, 9000), "invalid_size"),
    ],
)
async def test_what_cannot_be_painted_is_said(prompt: str, size: tuple[int, int], code: str) -> None:
    with pytest.raises(PaintError) as raised:
        await painted(create("local"), prompt, size)
    assert raised.value.code == code


async def test_closing_the_iterator_frees_the_easel() -> None:
    painter = LocalPainter(easels=1)
    steps: AsyncIterator[Step | Picture] = painter.paint("a fox", size=SIZE, seed=1)
    assert isinstance(await anext(steps), Step)
    await steps.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        await painted(painter, "a fox")


async def test_cancelling_ends_the_work_and_frees_the_easel() -> None:
    painter = LocalPainter(easels=1)
    started = asyncio.Event()

    async def watch() -> None:
        async for _ in painter.paint("a fox", size=(1536, 1024), seed=1):
            started.set()

    task = asyncio.create_task(watch())
    async with asyncio.timeout(10):
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await painted(painter, "a fox")


async def test_who_waits_for_an_easel_is_told() -> None:
    painter = LocalPainter(easels=1)
    first = painter.paint("a fox", size=SIZE, seed=1)
    await anext(first)
    second = painter.paint("a cat", size=SIZE, seed=1)
    waiting = await anext(second)
    assert isinstance(waiting, Step)
    assert (waiting.progress, waiting.preview) == (0.0, None)
    await first.aclose()  # type: ignore[attr-defined]
    assert isinstance([part async for part in second][-1], Picture)


@pytest.mark.parametrize("name", sorted(rooms.ROOMS))
def test_the_sign_in_pages_have_their_pictures(name: str) -> None:
    path = rooms.FOLDER / name
    assert path.stat().st_size <= 200_000
    assert Image.open(path).size == rooms.SIZE
