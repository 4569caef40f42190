"""The examples of docs/deploy.md: what can be shown of them without a container engine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.services.app import NEUTRAL, manage
from tests.services.databases import Database
from tests.services.process import ROOT, Process, free_port

DEPLOY = ROOT / "deploy"
PRODUCTION = {"ORIGINS": "https://chat.example.org", "SECRET_KEY": "k9!" * 20 + "abcdefghijklmnop"}
UNITS = {"web": DEPLOY / "backdrop-web@.service", "worker": DEPLOY / "backdrop-worker@.service"}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return content


def known_variables() -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def start_line(unit: Path) -> list[str]:
    """The unit's ExecStart, as systemd reads it."""
    text = unit.read_text().replace("\\\n", " ")
    line = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert line is not None
    return shlex.split(line[1])


def test_the_examples_set_only_variables_that_exist() -> None:
    named = set(compose()["x-backdrop"]["environment"])
    for unit in UNITS.values():
        lines = re.findall(r"^Environment=(.+)$", unit.read_text(), re.MULTILINE)
        named |= {pair.partition("=")[0] for line in lines for pair in line.split()}
    assert named <= known_variables()


def test_postgres_has_connections_for_all_processes_of_the_example() -> None:
    services = compose()["services"]
    most = int(services["postgres"]["command"][-1].removeprefix("max_connections="))
    processes = services["web"]["deploy"]["replicas"] + 2  # the worker, and one that migrates
    assert "keeps up to forty connections" in (ROOT / "docs" / "deploy.md").read_text()
    assert most >= 40 * processes


def test_the_image_takes_nothing_of_this_machine_along() -> None:
    named = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = {line.removeprefix("**/") for line in named if not line.startswith("#")}
    private = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert private | {".git"} <= ignored


def test_a_stop_is_given_the_time_that_it_may_take() -> None:
    assert compose()["x-backdrop"]["stop_grace_period"] == "20s"
    assert all("TimeoutStopSec=20" in unit.read_text() for unit in UNITS.values())


def test_nginx_hands_out_private_pictures_where_the_application_says_and_nobody_else_gets_them() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text()
    services = compose()
    accel = services["x-backdrop"]["environment"]["MEDIA_ACCEL"]
    location = re.search(rf"location {accel} \{{(.*?)\}}", nginx, re.DOTALL)
    assert location is not None
    assert "internal;" in location[1]
    alias = re.search(r"alias (\S+);", location[1])
    assert alias is not None
    mounted = next(
        volume for volume in services["services"]["nginx"]["volumes"] if volume.startswith("data:")
    )
    assert alias[1] == mounted.split(":")[1] + "/media/"


def test_nginx_waits_longer_than_the_heartbeat_and_takes_larger_bodies_than_the_application() -> None:
    from django.conf import settings

    from chat.frames import HEARTBEAT_SECONDS

    nginx = (DEPLOY / "nginx.conf").read_text()
    assert all(
        int(seconds) > 3 * HEARTBEAT_SECONDS for seconds in re.findall(r"proxy_read_timeout (\d+)s", nginx)
    )
    body = re.search(r"client_max_body_size (\d+)m", nginx)
    assert body is not None
    assert int(body[1]) * 2**20 == settings.BODY_BYTES_MAX > settings.UPLOAD_BYTES_MAX


def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    return {
        **NEUTRAL,
        **PRODUCTION,
        "DATABASE_URL": database.url,
        "DATA_DIR": str(tmp_path),
        "TRUSTED_PROXIES": "127.0.0.1",
    }


def compose_finds_it_healthy(port: str) -> bool:
    """The healthcheck of compose.yml, which asks the process itself: by its address, without TLS."""
    how, *command = compose()["services"]["web"]["healthcheck"]["test"]
    assert how == "CMD"
    command = [sys.executable, *(part.replace("8000", port) for part in command[1:])]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


async def test_the_unit_s_own_command_serves_the_site_behind_a_proxy(
    database: Database, tmp_path: Path
) -> None:
    env = environment(database, tmp_path)
    # Without most of what the page for signing in does without: compressing takes its time.
    rest = ("--ignore", "admin", "--ignore", "*/languages/*")
    collected = await manage("collectstatic", "--noinput", *rest, **env)
    assert collected.code == 0, collected.output
    port = str(free_port())
    command = [part.replace("%i", port) for part in start_line(UNITS["web"])]
    web = Process(
        [str(Path(sys.executable).parent / Path(command[0]).name), *command[1:]], tmp_path / "web.log", env
    )
    as_the_proxy = {
        "Host": "chat.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "203.0.113.9",
    }
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=as_the_proxy, trust_env=False
    ) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/healthz")).is_success
            except httpx.TransportError:
                return False

        try:
            web.spawn()
            await web.ready(answers)
            assert compose_finds_it_healthy(port)
            page = await client.get("/login/")
            assert page.status_code == 200
            style = re.search(r'href="(/static/chat/css/base\.[0-9a-f]+\.css)"', page.text)
            assert style is not None
            served = await client.get(style[1], headers={"Accept-Encoding": "br"})
            assert served.headers["content-encoding"] == "br"
            assert "immutable" in served.headers["cache-control"]
            plain = await client.get("/login/", headers={"X-Forwarded-Proto": "http"})
            assert (plain.status_code, plain.headers["location"]) == (301, "https://chat.example.org/login/")
        finally:
            web.kill()


async def test_the_worker_s_own_command_registers_a_worker_and_ends_when_told(
    database: Database, tmp_path: Path
) -> None:
    command = start_line(UNITS["worker"])
    env = {**environment(database, tmp_path), "CHAT_WORKER": "external"}
    worker = Process([sys.executable, *command[1:]], tmp_path / "worker.log", env)

    async def registered() -> bool:
        return database.query("SELECT count(*) FROM procrastinate_workers") == [(1,)]

    try:
        worker.spawn()
        await worker.ready(registered)
        assert await worker.stopped() == 0
    finally:
        worker.kill()
    assert database.query("SELECT count(*) FROM procrastinate_workers") == [(0,)]
