"""With production's settings: hashed names, compressed, kept for ever, none missing, and a working page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.services.app import WebServer, manage
from tests.services.databases import Database
from tests.site import Site, new_person

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from playwright.async_api import Response


async def test_the_page_works_with_collected_files(
    database: Database, tmp_path: Path, device: OpenDevice
) -> None:
    web = WebServer(tmp_path, database, {"DEMO_TOKENS_PER_SECOND": "200"})
    web.env["ORIGINS"] = web.url
    assert await manage("collectstatic", "--noinput", "-v", "0", **web.env) == (0, "")
    await web.start()
    try:
        await _works(Site(web, database), device)
    finally:
        web.kill()


async def _works(site: Site, device: OpenDevice) -> None:
    ada = new_person(site.database, site.web.url)
    browser = await device(site, ada)
    answers: list[Response] = []
    browser.context.on("response", lambda answer: answers.append(answer))
    tab = await browser.open()
    await tab.hear("show me some python code")
    await expect(tab.answer.locator(".hljs-keyword").first).to_be_visible()
    await tab.page.goto("/images/")
    await expect(tab.page.get_by_role("heading", name="Nothing painted yet")).to_be_visible()
    files = [one for one in answers if "/static/" in one.url]
    assert len(files) > 40
    for file in files:
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", file.url), f"{file.url} has no hash in its name"
        assert "immutable" in file.headers["cache-control"], file.url
        assert "max-age=315360000" in file.headers["cache-control"], file.url
    await _check_compressed({file.url for file in files})
    await ada.close()


async def _check_compressed(urls: Iterable[str]) -> None:
    """Texts of some length come as small as the browser can read them, and are the same however they come."""
    texts = 0
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in urls:
            plain, gzip, brotli = [
                await client.get(url, headers={"Accept-Encoding": accepted})
                for accepted in ("identity", "gzip", "gzip, br")
            ]
            assert "content-encoding" not in plain.headers, url
            if len(plain.content) < 1024 or not _is_text(plain):
                continue
            texts += 1
            for answer, encoding in ((gzip, "gzip"), (brotli, "br")):
                assert answer.headers["content-encoding"] == encoding, url
                assert "immutable" in answer.headers["cache-control"], url
                assert answer.headers["vary"] == "Accept-Encoding", url
                assert answer.content == plain.content, url
                assert int(answer.headers["content-length"]) < len(plain.content), url
    assert texts > 30


def _is_text(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith(("text/", "image/svg", "application/j"))
