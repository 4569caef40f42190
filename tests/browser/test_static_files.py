"""With production's settings: hashed names, kept for a year, none missing, and a page that works with them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
from playwright.async_api import expect

from tests.browser.conftest import OpenDevice
from tests.services.app import NEUTRAL, WebServer
from tests.services.databases import Database
from tests.services.process import ROOT
from tests.site import Site, new_person

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Response


async def test_the_page_works_with_collected_files(
    database: Database, tmp_path: Path, device: OpenDevice
) -> None:
    web = WebServer(tmp_path, database, {"DEMO_TOKENS_PER_SECOND": "200"})
    web.env["ORIGINS"] = web.url
    collected = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **NEUTRAL, **web.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (collected.returncode, collected.stderr) == (0, "")
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
    module = next(file.url for file in files if "/main." in file.url)
    async with httpx.AsyncClient(trust_env=False, headers={"Accept-Encoding": "br"}) as client:
        assert (await client.get(module)).headers["content-encoding"] == "br"
    await ada.close()
