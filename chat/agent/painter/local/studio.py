"""The order of work: from an empty canvas to an encoded picture, one stage after the other."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

from chat.agent.painter.local import actors, extras, finish, land, sky, water, weather
from chat.agent.painter.local.canvas import Canvas
from chat.agent.painter.local.palette import palette
from chat.agent.painter.local.plan import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chat.agent.painter.local.scene import Scene

PREVIEW_WIDTH = 512


def stages(canvas: Canvas, scene: Scene) -> Iterator[tuple[str, Callable[[], None]]]:
    """The stages in order, each with what it is called; together they are the whole painting."""
    colours = palette(scene)
    plans = plan(scene, canvas)

    def lay_sky() -> None:
        sky.paint(canvas, scene, plans, colours)
        weather.behind(canvas, scene, plans, colours)

    def raise_land() -> None:
        land.backdrop(canvas, scene, plans, colours)
        actors.aloft(canvas, scene, plans, colours)
        if scene.has("bridge") or scene.has("train"):
            deck = extras.bridge(canvas, scene, plans, colours)
            if scene.has("train"):
                actors.train(canvas, scene, plans, colours, deck)
        weather.between(canvas, scene, plans, colours)
        if scene.water:
            water.paint(canvas, scene, plans, colours)

    def place_subjects() -> None:
        ground = land.foreground(canvas, scene, plans, colours)
        if scene.has("tree"):
            extras.tree(canvas, scene, plans, colours, ground)
        actors.standing(canvas, scene, plans, colours, ground)
        if scene.has("flowers") or (scene.place == "garden" and not scene.snowy):
            extras.flowers(canvas, scene, colours, ground)

    def finish_up() -> None:
        weather.front(canvas, scene, plans, colours)
        finish.paint(canvas, scene)

    nearest = next((actor.subject for actor in scene.actors if actor.subject in actors.SHAPES), None)
    yield "laying in the sky", lay_sky
    yield "shaping the water" if scene.water else "shaping the land", raise_land
    yield f"placing the {nearest}" if nearest else "bringing the foreground near", place_subjects
    yield "softening the light", finish_up


def preview(scene: Scene, size: tuple[int, int], width: int) -> bytes:
    """The whole picture painted small, `width` pixels wide, shown at the size of every preview: softer,
    the smaller.
    """
    shown = (PREVIEW_WIDTH, max(round(PREVIEW_WIDTH * size[1] / size[0]), 1))
    canvas = Canvas((width, max(round(width * size[1] / size[0]), 1)))
    for _, work in stages(canvas, scene):
        work()
    image = canvas.image()
    if width < PREVIEW_WIDTH:
        image = image.resize(shown, Image.Resampling.BICUBIC).filter(
            ImageFilter.GaussianBlur(PREVIEW_WIDTH / width * 0.45)
        )
    return _jpeg(image, 78)


def encoded(canvas: Canvas) -> tuple[bytes, str]:
    target = io.BytesIO()
    canvas.image().save(target, "WEBP", quality=88, method=2)
    return target.getvalue(), "image/webp"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return target.getvalue()
