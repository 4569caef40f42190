"""Accounts, management commands and settings, as somebody meets them who sets the site up."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from pytest_django import Settings

from tests.client import Person
from tests.services.app import manage
from tests.services.databases import Database
from tests.services.process import ROOT
from tests.site import Site

PASSWORD = "correct horse battery"
PRODUCTION = {
    "ORIGINS": "https://chat.example.org",
    "SECRET_KEY": "k9!" * 20 + "abcdefghijklmnop",
    "DATABASE_URL": "postgres://chat:secret@db.example.org/chat",
}


# Accounts


async def sign_up(name: str) -> str:
    """Where the site leads somebody who fills in the form, or who asks for it where there is none."""
    browser = AsyncClient()
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
    answer = await browser.post("/signup/", form)
    assert answer.status_code == 302
    return str(answer["location"])


@pytest.mark.usefixtures("database")
async def test_the_first_account_of_a_local_site_is_the_administrators() -> None:
    assert (await AsyncClient().get("/login/"))["location"] == "/signup/"
    assert [await sign_up(name) for name in ("ada", "grace")] == ["/", "/"]
    rows = User.objects.order_by("id").values_list("username", "is_staff", "is_superuser")
    assert [row async for row in rows] == [("ada", True, True), ("grace", False, False)]


async def test_where_sign_up_is_closed_only_the_first_account_can_be_made(
    database: Database, settings: Settings
) -> None:
    settings.SIGNUP = "closed"
    assert [await sign_up(name) for name in ("ada", "grace")] == ["/", "/login/"]
    assert database.query("SELECT username FROM auth_user") == [("ada",)]


async def test_outside_local_mode_the_first_to_come_is_nobodys_administrator(
    database: Database, settings: Settings
) -> None:
    settings.LOCAL = False
    assert await sign_up("ada") == "/"
    assert database.query("SELECT is_superuser FROM auth_user") == [(False,)]


# Commands


async def test_an_account_and_a_token_can_be_made_without_a_browser(site: Site) -> None:
    env = {"DATABASE_URL": site.database.url, "DATA_DIR": site.web.env["DATA_DIR"]}
    name = f"ada-{uuid.uuid4().hex[:8]}"
    made = await manage("create_user", name, "--password", PASSWORD, **env)
    assert made.code == 0, made.output
    again = await manage("create_user", name, "--password", PASSWORD, **env)
    nobody = await manage("create_token", "nobody", **env)
    assert (again.code, nobody.code) == (1, 1)
    assert "create_user" in nobody.output
    assert "Traceback" not in again.output + nobody.output
    text = (await manage("create_token", name, **env)).output.strip().splitlines()[-1]
    ada = Person(site.web.url, name, 0, text)
    async with await ada.ready(await ada.thread()) as tab:
        assert (await tab.hear("say: hello"))["text"] == "hello"
    assert site.database.query("SELECT count(*) FROM chat_token WHERE digest = %s", text) == [(0,)]
    await ada.close()


# Settings


def read_variables() -> set[str]:
    source = (ROOT / "project" / "settings.py").read_text()
    return set(re.findall(r"""(?:\benv\.\w+|_choice)\(\s*"([A-Z_]+)\"""", source))


def test_env_example_names_every_variable_that_the_settings_read_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) - {"PORT"} == read_variables()
    assert "PORT" in named  # which `make run` reads
    # Each has a comment above it, and none sets anything: copied as it is, it changes nothing.
    assert not re.search(r"^[A-Z_]+=", text, re.MULTILINE)
    for block in text.split("\n\n"):
        assert block.startswith("# ")


def test_env_example_shows_each_number_as_it_is_unless_set(settings: Settings) -> None:
    numbers = re.findall(r"^#?([A-Z_]+)=([0-9]+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    shown = {name: int(number) for name, number in numbers if name != "PORT"}
    assert "LIMIT_RUNS" in shown
    assert shown == {name: getattr(settings, name) for name in shown}


@pytest.mark.parametrize(("hsts", "silenced"), [("", 2), ("subdomains", 1), ("preload", 0)])
async def test_the_deployment_check_has_nothing_to_say_of_production_settings(
    hsts: str, silenced: int
) -> None:
    checked = await manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, HSTS=hsts)
    assert checked == (0, f"System check identified no issues ({silenced} silenced).\n")


ASK = """
from django.test import Client
print(Client().get("/healthz", secure=True).headers.get("Strict-Transport-Security"))
"""


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "max-age=31536000"),
        ({"HSTS": "subdomains"}, "max-age=31536000; includeSubDomains"),
        ({"HSTS": "preload"}, "max-age=31536000; includeSubDomains; preload"),
        ({"ORIGINS": "https://chat.example.org,http://chat.example.org"}, "None"),
    ],
)
async def test_browsers_are_told_to_insist_on_https_for_the_site_s_own_names_unless_for_more(
    env: dict[str, str], said: str
) -> None:
    shell = await manage("shell", "-v", "0", "-c", ASK, **(PRODUCTION | env))
    assert (shell.code, shell.output.splitlines()[-1]) == (0, said), shell.output


def test_uvicorn_leaves_it_to_the_application_which_proxies_are_believed() -> None:
    """By itself it believes whoever comes from loopback, and TRUSTED_PROXIES would say nothing."""
    for name in ("deploy/Dockerfile", "deploy/backdrop-web@.service", "docs/deploy.md"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        (command,) = re.findall(r"uvicorn\W+project\.asgi:application.*", text)
        assert "--no-proxy-headers" in command, name


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"ORIGINS": "https://chat.example.org", "SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"ORIGINS": "chat.example.org"}, "an origin looks like https://chat.example.org"),
        ({"CHAT_WORKER": "elsewhere"}, "CHAT_WORKER is 'elsewhere'"),
        ({"CHAT_VISION": "perhaps"}, "CHAT_VISION is 'perhaps'"),
        ({"SIGNUP": "maybe"}, "SIGNUP is 'maybe'"),
        ({"HSTS": "forever"}, "HSTS is 'forever'"),
        ({"IMAGE_BACKEND": "oils"}, "IMAGE_BACKEND is 'oils'"),
        ({"IMAGE_BACKEND": "openai"}, "needs OPENAI_API_KEY"),
    ],
)
async def test_a_wrong_setting_is_said_in_one_line(env: dict[str, str], words: str) -> None:
    checked = await manage("check", **env)
    assert checked.code != 0
    assert words in checked.output.strip().splitlines()[-1]
