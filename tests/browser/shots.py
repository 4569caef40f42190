"""The pictures in docs/img, made by the application itself: `make shots`. Not collected by an ordinary test run."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.client import Person
from tests.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.async_api import WebSocketRoute

    from tests.browser.pages import Tab

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "img"
BYTES_MAX = 400 * 1024

EARLIER = [
    ("a lighthouse in a storm at night", "Lighthouse in a storm", 0),
    ("a quiet harbour at dawn, fog", "Poster for the harbour fair", 0),
    ("a birch forest in winter snow", "Winter forest, three variations", 1),
    ("mountains over a lake on a clear morning", "Naming the new studio", 1),
    ("a sailing boat on a calm sea at noon", "Tiles for the kitchen wall", 4),
    ("desert dunes under a starry sky", "What Postgres advisory locks are for", 4),
    ("a field of poppies in summer", "Explain the transit map", 6),
]


async def test_the_pictures_of_the_documentation(site: Site, device: OpenDevice) -> None:
    ada = await person_with_a_past(site)
    desk = await device(site, ada)
    tab = await desk.open()
    await shoot(tab, "thread-empty")
    show_the_rest = await hold_at_preview(tab, 2)
    await tab.say("Paint a red fox at sunset")
    await expect(tab.cards.locator("img.preview").last).to_be_visible()
    await shoot(tab, "thread-streaming")
    show_the_rest()
    thread_id = await tab.is_in_a_thread()
    await tab.is_done()
    await tab.has_background()
    await expect(tab.title).to_have_text("A red fox at sunset")
    await shoot(tab, "thread")
    looks: dict[str, dict[str, Any]] = {
        "thread-dark": {"color_scheme": "dark"},
        "thread-phone": {"phone": True},
        "thread-phone-dark": {"phone": True, "color_scheme": "dark"},
    }
    for name, options in looks.items():
        other = await device(site, ada, **options)
        await shoot(await other.open(thread_id), name)
        await shoot(await other.open(), name.replace("thread", "thread-empty"))
        if "phone" in name and "dark" not in name:
            await shoot(await other.new_tab("/images/"), "gallery-phone")
    await shoot(await desk.new_tab("/images/"), "gallery")
    site.database.query("UPDATE auth_user SET is_staff = true, is_superuser = true WHERE id = %s", ada.id)
    await shoot(await desk.new_tab("/admin/chat/image/"), "admin-gallery")
    await shoot(await desk.new_tab("/admin/"), "admin")
    stranger = await device(site, None)
    await shoot(await stranger.new_tab("/login/"), "sign-in")


async def person_with_a_past(site: Site) -> Person:
    """Somebody whose threads of the last week have pictures and titles."""
    ada = await site.person()
    site.database.query("UPDATE auth_user SET username = 'ada' WHERE id = %s", ada.id)
    for prompt, title, days in EARLIER:
        thread_id = await ada.thread()
        async with await ada.ready(thread_id) as tab:
            await tab.hear(f"paint {prompt}", seconds=30)
        await ada.settled(thread_id)
        site.database.query(
            "UPDATE chat_thread SET title = %s, created_at = created_at - %s * interval '1 day',"
            " updated_at = updated_at - %s * interval '1 day' WHERE id = %s",
            title,
            days,
            days,
            thread_id,
        )
    return ada


async def hold_at_preview(tab: Tab, number: int) -> Callable[[], None]:
    """From this preview on keep from the tab what its thread tells it, until what this gives back is called."""
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    previews = 0

    def route(socket: WebSocketRoute) -> None:
        def take(frame: str | bytes) -> None:
            nonlocal previews
            if previews >= number:
                held.append((socket, frame))
                return
            previews += '"preview_url":"/' in str(frame)
            socket.send(frame)

        socket.connect_to_server().on_message(take)

    def release() -> None:
        nonlocal previews
        previews = -1_000
        for socket, frame in held:
            socket.send(frame)

    await tab.page.route_web_socket(re.compile(r"/ws/threads/[\w-]+/"), route)
    await tab.page.reload()
    return release


async def shoot(tab: Tab, name: str) -> None:
    """Take the picture once the page has loaded and is still, and keep it small."""
    await tab.page.wait_for_load_state("networkidle")
    await tab.is_still()
    shot = Image.open(io.BytesIO(await tab.page.screenshot())).convert("RGB")
    data = next(data for data in encodings(shot) if len(data) <= BYTES_MAX)
    (IMAGES / f"{name}.png").write_bytes(data)


def encodings(shot: Image.Image) -> Iterator[bytes]:
    """The picture as PNG, each time smaller and a little coarser."""
    yield png(shot)
    for colours in (256, 128, 64):
        palette = shot.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=3)
        yield png(shot.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
