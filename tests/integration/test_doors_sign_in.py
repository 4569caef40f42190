"""The sign-in door: guessing is slow, a stranger locks nobody out, and only a trusted proxy says who is asking."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests.conftest import StartServer
from tests.services.app import Kind
from tests.services.databases import Database
from tests.site import csrf_of

PASSWORD = "correct horse battery"
HOME, ELSEWHERE, PROXY = "203.0.113.7", "198.51.100.9", "10.0.0.1"


@pytest.fixture(autouse=True)
def people(database: Database, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a hundred tries a test
    for name in ("ada", "bob"):
        User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=True)


def sign_in(name: str, password: str, *, peer: str = HOME, **headers: str) -> Any:
    """The answer of the form to a browser that comes from this address."""
    browser = Client(REMOTE_ADDR=peer, headers=headers)
    return browser.post("/login/", {"username": name, "password": password})


def is_let_in(answer: Any) -> bool:
    return bool(answer.status_code == 302)


def guess(*, times: int = 10) -> None:
    for place in range(times):
        assert not is_let_in(sign_in("ada", f"guess {place}"))


def test_after_ten_wrong_passwords_the_right_one_does_not_help() -> None:
    guess(times=9)
    assert is_let_in(sign_in("ada", PASSWORD))
    guess(times=10)
    answer = sign_in("ada", PASSWORD)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "Too many tries" in answer.content.decode()
    assert "script-src" in answer["Content-Security-Policy"]


def test_the_admin_has_no_door_of_its_own() -> None:
    browser = Client(REMOTE_ADDR=HOME)
    answer = browser.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/")
    assert browser.get("/admin/").status_code == 302


def test_guesses_on_the_account_page_count_as_well() -> None:
    browser = Client(REMOTE_ADDR=HOME)
    browser.force_login(User.objects.get(username="ada"), "django.contrib.auth.backends.ModelBackend")
    for place in range(10):
        browser.post("/account/delete/", {"password": f"guess {place}"})
    assert browser.post("/account/delete/", {"password": PASSWORD}).status_code == 429
    assert User.objects.filter(username="ada", is_active=True).exists()


def test_guesses_at_the_old_password_count_as_well() -> None:
    browser = Client(REMOTE_ADDR=HOME)
    browser.force_login(User.objects.get(username="ada"), "django.contrib.auth.backends.ModelBackend")

    def change(old: str) -> Any:
        new = "another horse altogether"
        form = {"old_password": old, "new_password1": new, "new_password2": new}
        return browser.post("/account/password/", form)

    assert "Your old password was entered incorrectly" in change("guess").content.decode()
    for place in range(9):
        change(f"guess {place}")
    assert change(PASSWORD).status_code == 429
    assert sign_in("ada", PASSWORD).status_code == 429  # it is the same lock
    assert User.objects.get(username="ada").check_password(PASSWORD)


def test_others_and_other_addresses_are_not_locked_out() -> None:
    guess()
    assert not is_let_in(sign_in("ada", PASSWORD))
    assert is_let_in(sign_in("bob", PASSWORD))
    assert is_let_in(sign_in("ada", PASSWORD, peer=ELSEWHERE))


def test_going_on_guessing_does_not_make_the_lock_longer(database: Database) -> None:
    def let_pass(minutes: int) -> None:
        database.query(
            "UPDATE axes_accessattempt SET attempt_time = attempt_time - make_interval(mins => %s)", minutes
        )

    guess()
    let_pass(minutes=10)
    guess()
    let_pass(minutes=4)
    assert not is_let_in(sign_in("ada", PASSWORD))
    let_pass(minutes=2)
    assert is_let_in(sign_in("ada", PASSWORD))


def test_what_a_stranger_says_of_his_address_changes_nothing() -> None:
    for place in range(10):
        assert not is_let_in(sign_in("ada", "guess", **{"X-Forwarded-For": f"192.0.2.{place}"}))
    assert sign_in("ada", PASSWORD, **{"X-Forwarded-For": ELSEWHERE}).status_code == 429


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_server_counts_who_is_connected_to_it_whatever_he_says(
    server: StartServer, database: Database, kind: Kind
) -> None:
    web = await server(kind)
    async with httpx.AsyncClient(base_url=web.url, trust_env=False) as browser:
        form = {"username": "ada", "password": "guess"}
        form["csrfmiddlewaretoken"] = csrf_of((await browser.get("/login/")).text)
        for made_up in (HOME, ELSEWHERE):
            said = {"X-Forwarded-For": made_up, "X-Forwarded-Proto": "https"}
            assert (await browser.post("/login/", data=form, headers=said)).status_code == 200
    counted = database.query("SELECT host(ip_address), failures_since_start FROM axes_accessattempt")
    assert counted == [("127.0.0.1", 2)]


def test_a_trusted_proxy_says_who_is_asking(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    for place in range(10):
        assert not is_let_in(sign_in("ada", f"guess {place}", peer=PROXY, **{"X-Forwarded-For": HOME}))
    assert is_let_in(sign_in("ada", PASSWORD, peer=PROXY, **{"X-Forwarded-For": ELSEWHERE}))
    # What the client itself had put before the proxy's word is not believed, nor who comes past the proxy.
    made_up = {"X-Forwarded-For": f"{ELSEWHERE}, {HOME}, 10.0.0.2"}
    assert sign_in("ada", PASSWORD, peer=PROXY, **made_up).status_code == 429
    assert sign_in("ada", PASSWORD, peer=HOME, **{"X-Forwarded-For": ELSEWHERE}).status_code == 429


def test_only_a_trusted_proxy_says_that_the_way_was_safe(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = [PROXY]
    said = {"X-Forwarded-Proto": "https"}
    assert Client(REMOTE_ADDR=HOME, headers=said).get("/login/").status_code == 301
    assert Client(REMOTE_ADDR=PROXY, headers=said).get("/login/").status_code == 200


def test_a_password_is_written_nowhere(database: Database) -> None:
    guess(times=2)
    ((rows,),) = database.query("SELECT json_agg(a)::text FROM axes_accessattempt a")
    assert "guess" not in rows
