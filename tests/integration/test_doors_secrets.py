"""What stays inside: nothing that people say or keep secret reaches a log, and no page fetches from elsewhere."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import uuid

import PIL.Image
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client

from chat import threads
from chat.models import Image
from tests.client import Person, Refused
from tests.conftest import StartServer
from tests.fakes.openai_server import FakeOpenAI
from tests.services import databases
from tests.services.app import NEUTRAL, Kind
from tests.services.databases import Database
from tests.services.process import ROOT
from tests.site import cookies_of, csrf_of, new_person, signed_in

TEXT = "Zanzibar"
PASSWORD = "correct-Quagga-battery"
KEY = "sk-Okapi0123456789"


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_no_text_and_no_secret_is_logged_even_when_all_is_logged(
    server: StartServer, database: Database, openai: FakeOpenAI, kind: Kind
) -> None:
    openai.forget()
    web = await server(
        kind,
        LOG_LEVEL="DEBUG",
        OPENAI_API_KEY=KEY,
        OPENAI_BASE_URL=openai.base_url,
        CHAT_MODEL="fake",
        IMAGE_BACKEND="local",
    )
    ada: Person = await asyncio.to_thread(new_person, database, web.url, PASSWORD)
    thread_id = await ada.thread(title=f"About {TEXT}")
    painting = {"name": "generate_image", "args": {"prompt": f"a view of {TEXT}"}}
    openai.script(
        {"text": f"I paint {TEXT}.", "tool_calls": [painting], "when": "paint"},
        {"text": f"There is {TEXT}."},
        {"status": 400, "error": {"message": f"I do not like {TEXT}", "code": "bad"}, "when": "fail"},
    )
    async with await ada.ready(thread_id) as tab:
        assert TEXT in (await tab.hear(f"paint {TEXT}", seconds=30))["text"]
        assert (await tab.hear(f"fail {TEXT}", seconds=30))["status"] == "failed"
        for bad in (f'{{"type": "{TEXT}"', f'{{"type": "{TEXT}"}}', f'{{"type": "ping", "{TEXT}": 1}}'):
            await tab.write(bad)
            await tab.until("error")
        with pytest.raises(Refused):
            await tab.ask("stop", run_id=TEXT)
    data = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(data, "PNG")
    await ada.http.post("/images", files={"file": (f"{TEXT}.png", data.getvalue(), "image/png")})
    await ada.http.post("/images", files={"file": (f"{TEXT}.png", TEXT.encode(), "image/png")})
    for path in ("/threads", "/images", f"/threads/{uuid.uuid4()}"):
        await ada.http.get(path, params={"q": TEXT})
    async with signed_in(ada, PASSWORD) as browser:
        session = browser.cookies["backdrop_session"]
        csrf = csrf_of((await browser.get("/account/")).text)
        wrong = {"csrfmiddlewaretoken": csrf, "password": f"{PASSWORD}!"}
        assert (await browser.post("/account/delete/", data=wrong)).status_code == 422
        assert (await browser.get("/nowhere/", headers={"Cookie": cookies_of(browser)})).status_code == 404
    await web.stopped()
    log = web.log()
    assert "GET /api/v1/threads" in log, "the requests were to be logged"
    for secret in (TEXT, PASSWORD, KEY, ada.token, session, csrf):
        assert secret not in log, f"{secret}: " + "\n".join(
            line for line in log.splitlines() if secret in line
        )
    assert "Traceback" not in log, log


def test_what_fails_in_the_embedded_postgres_brings_no_text_into_its_log(database: Database) -> None:
    ada = User.objects.create_user("ada")
    text, failure = f"{TEXT}-{uuid.uuid4()}", f"failure_{uuid.uuid4().hex}"
    kept = Image.objects.create(owner=ada, prompt=text, width=1, height=1)
    database.query(f'ALTER TABLE chat_image ADD CONSTRAINT "{failure}" CHECK (width = 1)')
    again = Image(id=kept.id, owner=ada, prompt=text, width=1, height=1)
    wider = Image(owner=ada, prompt=text, width=2, height=1)
    for image in (again, wider):
        with pytest.raises(IntegrityError):
            image.save(force_insert=True)
    log = databases.SERVER.log.read_text(errors="replace")
    assert failure in log, "the failures were to be logged"
    assert text not in log


ALLOWED = {"'self'", "'none'", "data:", "blob:"}


def test_no_page_lets_the_browser_fetch_or_run_anything_from_elsewhere(database: Database) -> None:
    root = User.objects.create_superuser("root")
    browser = Client()
    browser.force_login(root, "django.contrib.auth.backends.ModelBackend")
    thread = threads.create(root)
    pages = [
        "/",
        f"/threads/{thread.id}/",
        "/images/",
        "/account/",
        "/account/password/",
        "/nowhere/",
        "/admin/",
    ]
    pages += ["/admin/chat/image/", "/admin/chat/thread/", f"/admin/chat/thread/{thread.id}/change/"]
    for client, path in [*((browser, page) for page in pages), (Client(), "/login/"), (Client(), "/signup/")]:
        answer = client.get(path)
        policy = dict(
            directive.strip().split(" ", 1) for directive in answer["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'", path
        for name, sources in policy.items():
            for source in sources.split():
                assert source in ALLOWED or source.startswith("'nonce-"), (path, name, source)
        assert "data:" not in policy["script-src"] + policy["connect-src"], path
        assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'"), path
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"


PRODUCTION = """
import json
import django; django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
call_command("check", deploy=True, fail_level="WARNING")
User.objects.create_user("ada", password="p")
browser = Client(headers={"host": "chat.example.org"})
browser.get("/login/", secure=True)
browser.post("/login/", {"username": "ada", "password": "p"}, secure=True)
print(json.dumps({name: [cookie["secure"], cookie["httponly"], cookie["samesite"]]
                  for name, cookie in browser.cookies.items()}))
print(browser.get("/login/")["Location"])
"""


def test_cookies_in_production_are_for_the_server_alone_and_over_https(database: Database) -> None:
    env = {
        **os.environ,
        **NEUTRAL,
        "ORIGINS": "https://chat.example.org",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "DATABASE_URL": database.url,
    }
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTION],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cookies, redirected = done.stdout.splitlines()[-2:]
    assert json.loads(cookies) == {
        "backdrop_csrf": [True, True, "Lax"],
        "backdrop_session": [True, True, "Lax"],
    }
    assert redirected == "https://chat.example.org/login/"
