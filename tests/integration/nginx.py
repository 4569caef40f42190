"""The site behind a real nginx with deploy/nginx.conf, of which only ports and paths are others.

Not among the tests that always run, for not every machine has an nginx; with one on PATH (root is not needed):

    python -m pytest tests/integration/nginx.py
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.conftest import StartServer, StartWorker
from tests.fakes.replies import png
from tests.integration.test_deploy import PRODUCTION
from tests.services.app import NEUTRAL, Kind
from tests.services.databases import Database
from tests.services.process import ROOT, Process, free_port
from tests.services.redis import RedisServer
from tests.site import new_person

KINDS: tuple[Kind, Kind] = ("daphne", "uvicorn")

MAIN = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/site.conf;
}}
"""

SELF_SIGNED = [
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
]


@dataclass
class Front:
    """The site as the world sees it."""

    origin: str
    plain: str
    person: httpx.AsyncClient
    token: str
    trust: ssl.SSLContext
    nginx: Process
    access_log: Path
    webs: list[Any]


def adapted(directory: Path, ports: list[int], plain: int, tls: int) -> str:
    """The example with this machine's ports and paths."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
    changes = {
        "server web:8000;": servers,
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2;",
        "return 301 https://$host$request_uri;": f"return 301 https://$host:{tls}$request_uri;",
        "/etc/nginx/tls/": f"{directory}/",
        "/data/media/": f"{directory}/media/",
        "/var/log/nginx/": f"{directory}/",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest_asyncio.fixture
async def front(
    server: StartServer, worker: StartWorker, database: Database, redis_server: RedisServer, tmp_path: Path
) -> AsyncIterator[Front]:
    plain, tls = free_port(), free_port()
    origin = f"https://localhost:{tls}"
    certificate = ["-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem")]
    subprocess.run(
        [*SELF_SIGNED, *certificate],
        capture_output=True,
        check=True,
    )
    env = {
        **PRODUCTION,
        "ORIGINS": origin,
        "DATA_DIR": str(tmp_path),
        "REDIS_URL": redis_server.url,
        "CHAT_WORKER": "external",
        "MEDIA_ACCEL": "/protected/",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DEMO_TOKENS_PER_SECOND": "40",
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
    await asyncio.to_thread(
        subprocess.run, collect, cwd=ROOT, env={**os.environ, **NEUTRAL, **env}, check=True
    )
    webs = [await server(kind, other_database=database, **env) for kind in KINDS]
    await worker(other_database=database, **env)
    (tmp_path / "site.conf").write_text(adapted(tmp_path, [web.port for web in webs], plain, tls))
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(MAIN.format(directory=tmp_path, user=user))
    nginx = Process(
        ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], tmp_path / "nginx.log"
    )
    trust = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    ada = new_person(database, webs[0].url)
    token = ada.token
    person = httpx.AsyncClient(
        base_url=origin,
        verify=trust,
        trust_env=False,
        timeout=30,
        headers={"Authorization": f"Bearer {token}"},
    )

    async def answers() -> bool:
        try:
            return (await person.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    nginx.spawn()
    try:
        await nginx.ready(answers)
        yield Front(
            origin, f"http://localhost:{plain}", person, token, trust, nginx, tmp_path / "access.log", webs
        )
        assert not re.search(r"\[(alert|crit|emerg)\]", nginx.log()), nginx.log()
    finally:
        nginx.kill()
        await person.aclose()
        await ada.close()


async def test_the_site_behind_nginx(front: Front) -> None:
    await _plain_http_leads_to_https(front)
    await _pages_and_files(front)
    thread = (await front.person.post("/api/v1/threads", json={})).json()["id"]
    await _a_socket_lives_and_a_foreign_page_gets_none(front, thread)
    await _the_event_stream_is_not_held_back(front, thread)
    await _pictures_are_private(front)
    await _bodies_are_limited_in_the_api_s_words(front)
    await _who_asks_is_known_and_not_made_up(front)
    await _the_log_holds_no_queries(front)


async def _plain_http_leads_to_https(front: Front) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{front.plain}/login/?next=/x")
    assert (answer.status_code, answer.headers["location"]) == (301, f"{front.origin}/login/?next=/x")


async def _pages_and_files(front: Front) -> None:
    async with httpx.AsyncClient(verify=front.trust, trust_env=False, base_url=front.origin) as client:
        page = await client.get("/login/")
        while page.is_redirect:
            page = await client.get(page.headers["location"])
        assert page.status_code == 200
        assert "strict-transport-security" in page.headers
        assert "Secure" in page.headers["set-cookie"]
        style = re.search(r'href="(/static/chat/css/base\.[0-9a-f]+\.css)"', page.text)
        assert style
        file = await client.get(style[1], headers={"Accept-Encoding": "br"})
        assert file.headers["content-encoding"] == "br"
        assert "immutable" in file.headers["cache-control"]


async def _a_socket_lives_and_a_foreign_page_gets_none(front: Front, thread: str) -> None:
    address = f"{front.origin.replace('https', 'wss')}/ws/threads/{thread}/"
    signed = {"Authorization": f"Bearer {front.token}"}
    async with connect(address, ssl=front.trust, additional_headers=signed, proxy=None) as socket:
        assert json.loads(await socket.recv())["type"] == "hello"
        await socket.send(json.dumps({"type": "send_message", "id": "1", "text": "say: through nginx"}))
        async with asyncio.timeout(20):
            while (frame := json.loads(await socket.recv()))["type"] != "run_completed":
                if frame["type"] == "message_completed" and frame["message"]["role"] == "assistant":
                    assert frame["message"]["text"] == "through nginx"
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, ssl=front.trust, origin=Origin("https://evil.example"), proxy=None)
    assert refused.value.response.status_code == 403


async def _the_event_stream_is_not_held_back(front: Front, thread: str) -> None:
    """Words come one by one, while the answer is still being written."""
    seen: list[str] = []
    path = f"/api/v1/threads/{thread}/events"
    async with asyncio.timeout(30), front.person.stream("GET", path) as stream:
        assert stream.headers["cache-control"] == "no-store"
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            frame = json.loads(line.removeprefix("data: "))
            seen.append(frame["type"])
            if frame["type"] == "caught_up":
                said = {"text": "count to 2000"}
                assert (
                    await front.person.post(f"/api/v1/threads/{thread}/messages", json=said)
                ).status_code == 202
            if seen.count("assistant_delta") == 5:
                break
    assert "message_completed" not in seen[seen.index("assistant_delta") :]
    stop = {"type": "stop", "id": "stop"}
    assert (await front.person.post(f"/api/v1/threads/{thread}/commands", json=stop)).status_code == 200


async def _pictures_are_private(front: Front) -> None:
    picture = {"file": ("red.png", png(80, 60, (200, 30, 30)), "image/png")}
    made = (await front.person.post("/api/v1/images", files=picture)).json()
    for path in (made["url"], made["thumbnail_url"]):
        file = await front.person.get(path)
        assert (file.status_code, file.headers["content-type"]) == (200, "image/webp")
        assert file.content[:4] == b"RIFF"
        assert file.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert file.headers["x-content-type-options"] == "nosniff"
        policy = file.headers["content-security-policy"]
        assert "x-accel-redirect" not in file.headers
        async with httpx.AsyncClient(base_url=front.webs[0].url, trust_env=False) as behind:
            own = await behind.get(
                path,
                headers={
                    "Authorization": f"Bearer {front.token}",
                    "Host": front.origin.removeprefix("https://"),
                    "X-Forwarded-Proto": "https",
                },
            )
        assert policy == own.headers["content-security-policy"]
        inside = own.headers["x-accel-redirect"]
        async with httpx.AsyncClient(verify=front.trust, trust_env=False, base_url=front.origin) as stranger:
            assert (await stranger.get(path)).status_code == 404
            assert (await stranger.get(inside)).status_code == 404
        assert (await front.person.get(inside)).status_code == 404


async def _bodies_are_limited_in_the_api_s_words(front: Front) -> None:
    for megabytes in (11, 13):  # the application's own limit, and nginx's
        files = {"file": ("big.png", b"\x89PNG" + bytes(megabytes * 2**20), "image/png")}
        answer = await front.person.post("/api/v1/images", files=files)
        assert answer.status_code == 413, megabytes
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json() == {"code": "frame_too_large", "message": "A picture may have 10 MB."}


async def _who_asks_is_known_and_not_made_up(front: Front) -> None:
    """The sign-in's guard counts by the address that nginx saw, whatever the client claims."""
    async with httpx.AsyncClient(verify=front.trust, trust_env=False, base_url=front.origin) as client:
        statuses = []
        for number in range(11):
            csrf = re.search(
                r'name="csrfmiddlewaretoken" value="([^"]+)"', (await client.get("/login/")).text
            )
            form = {"csrfmiddlewaretoken": csrf[1] if csrf else "", "username": "ada", "password": "no"}
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "Referer": f"{front.origin}/login/"}
            statuses.append((await client.post("/login/", data=form, headers=headers)).status_code)
    assert statuses[0] == 200
    assert statuses[-1] == 429


async def _the_log_holds_no_queries(front: Front) -> None:
    assert (await front.person.get("/api/v1/threads", params={"q": "private words"})).status_code == 200
    async with asyncio.timeout(10):  # nginx writes the line when the answer is out
        while '"GET /api/v1/threads" 200' not in (log := front.access_log.read_text()):
            await asyncio.sleep(0.02)
    assert "private" not in log
    assert "next=" not in log
    assert front.token not in log
