"""The examples of docs/deploy.md: what can be shown of them without a container engine."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml

from tests.services.databases import Database
from tests.services.process import ROOT, Process, free_port

DEPLOY = ROOT / "deploy"
DOCUMENT = ROOT / "docs" / "deploy.md"
SETTINGS = DEPLOY / "backdrop.env.example"
PRODUCTION = {"ORIGINS": "https://chat.example.org", "SECRET_KEY": "k9!" * 20 + "abcdefghijklmnop"}
UNITS = {"web": DEPLOY / "backdrop-web@.service", "worker": DEPLOY / "backdrop-worker@.service"}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return content


def known_variables() -> set[str]:
    return named_in(ROOT / ".env.example")


def named_in(settings: Path) -> set[str]:
    """The variables of a file of settings, those that are commented out too."""
    return set(re.findall(r"^#?([A-Z_]+)=", settings.read_text(), re.MULTILINE))


def of_unit(unit: Path, name: str) -> str:
    """What a unit says of a name, as systemd reads it."""
    line = re.search(rf"^{name}=(.+)$", unit.read_text().replace("\\\n", " "), re.MULTILINE)
    assert line is not None
    return line[1]


def lines_for_one_machine() -> list[str]:
    """What docs/deploy.md has somebody type who sets a machine up, and then who updates it."""
    section = DOCUMENT.read_text().partition("\n## One machine, with systemd\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return "".join(blocks).replace("\\\n", " ").splitlines()


def reaches(service: str, env: dict[str, str]) -> dict[str, str]:
    """The environment of a service of the compose file, where .env has these: what the service sets counts more."""
    content = compose()["services"][service]
    assert (DEPLOY / content["env_file"]).resolve() == ROOT / ".env"

    def value(named: re.Match[str]) -> str:
        return env.get(named[1]) or (named[3] if named[2] == ":-" else "")

    fixed = content["environment"].items()
    return {**env, **{name: re.sub(r"\$\{(\w+)(:[-?])?([^}]*)\}", value, text) for name, text in fixed}}


def test_the_examples_set_only_variables_that_exist() -> None:
    assert set(compose()["x-backdrop"]["environment"]) <= known_variables()
    assert named_in(SETTINGS) <= known_variables()


@pytest.mark.parametrize("service", ["migrate", "web", "worker"])
def test_all_of_env_reaches_the_containers_but_where_the_services_and_files_are(service: str) -> None:
    env = dict.fromkeys(known_variables(), "mine") | {"POSTGRES_PASSWORD": "secret"}
    given = reaches(service, env)
    assert {name for name in known_variables() if given[name] != "mine"} == {
        *("DATABASE_URL", "REDIS_URL", "CHAT_WORKER", "DATA_DIR", "STATIC_ROOT", "MEDIA_ACCEL")
    }
    assert given["DATABASE_URL"] == "postgres://backdrop:secret@postgres/backdrop"
    image = (DEPLOY / "Dockerfile").read_text()
    for name in ("DATA_DIR", "STATIC_ROOT"):
        assert re.search(rf"^ENV {name}={given[name]}\b", image, re.MULTILINE)
    assert f"data:{given['DATA_DIR']}" in compose()["services"][service]["volumes"]


def test_without_settings_of_their_own_the_containers_believe_their_nginx() -> None:
    from project import proxies

    bare = {"ORIGINS": "https://chat.example.org", "SECRET_KEY": "s", "POSTGRES_PASSWORD": "p"}
    trusted = reaches("web", bare)["TRUSTED_PROXIES"].split(",")
    assert [str(network) for network in proxies.networks(trusted)] == trusted


def test_postgres_has_connections_for_all_processes_of_the_example() -> None:
    services = compose()["services"]
    most = int(services["postgres"]["command"][-1].removeprefix("max_connections="))
    processes = services["web"]["deploy"]["replicas"] + 2  # the worker, and one that migrates
    assert "keeps up to forty connections" in DOCUMENT.read_text()
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


def test_nginx_lets_go_of_an_idle_connection_before_the_application_does() -> None:
    """What it sends on one that is just being closed may not be sent again where it is a POST: that is a 502."""
    from daphne.http_protocol import HTTPFactory

    idle = re.search(r"upstream .*?keepalive_timeout (\d+)s;", (DEPLOY / "nginx.conf").read_text(), re.DOTALL)
    assert idle is not None
    of_uvicorn = inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    assert int(idle[1]) < min(of_uvicorn, HTTPFactory(None).timeOut)
    started = of_unit(UNITS["web"], "ExecStart") + (DEPLOY / "Dockerfile").read_text()
    assert "--timeout-keep-alive" not in started


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


class Machine:
    """A machine that somebody sets up by docs/deploy.md: its folders lie below `root`, nothing needs root."""

    def __init__(self, root: Path, database: Database, redis_url: str) -> None:
        self.site = root / "site"
        self.data = root / "data"
        self.conf = root / "nginx.conf.d"
        self._logs = root
        for name in ("chat", "project", "static", "templates", "deploy"):
            shutil.copytree(ROOT / name, self.site / name)
        shutil.copy(ROOT / "manage.py", self.site)
        (self.site / "node_modules").symlink_to(ROOT / "node_modules")
        (self.site / ".venv").symlink_to(sys.prefix)
        self.data.mkdir()
        self.conf.mkdir()
        text = SETTINGS.read_text()
        own = {"SECRET_KEY": PRODUCTION["SECRET_KEY"], "DATABASE_URL": database.url, "REDIS_URL": redis_url}
        for name, value in own.items():
            assert f"\n{name}=" in text
            text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        (self.site / ".env").write_text(self.here(text))

    def here(self, text: str) -> str:
        """The same with this machine's folders."""
        for there, here in (
            ("/opt/backdrop", self.site),
            ("/var/lib/backdrop", self.data),
            ("/etc/nginx/conf.d", self.conf),
        ):
            text = text.replace(there, str(here))
        return text

    def unit(self, name: str, instance: str) -> Process:
        """What systemd starts of a unit."""
        command = shlex.split(self.here(of_unit(UNITS[name], "ExecStart")).replace("%i", instance))
        return self._process(command, self.here(of_unit(UNITS[name], "WorkingDirectory")), f"{name}.log")

    async def run(self, line: str, *more: str) -> None:
        """Do what a line of the document says, in the folder where it is typed. As oneself: there is no other user."""
        command = ["sh", "-c", f'{self.here(line.removeprefix("sudo -u backdrop "))} "$@"', "sh", *more]
        process = self._process(command, str(self.site), "line.log")
        process.spawn()
        assert await process.ended() == 0, process.log()

    def _process(self, command: list[str], directory: str, log: str) -> Process:
        """With an environment that holds no settings, as systemd's and sudo's do."""
        bare = ["env", "-i", f"PATH={os.environ['PATH']}", "sh", "-c", 'cd "$0" && exec "$@"', directory]
        return Process([*bare, *command], self._logs / log)


@pytest.fixture
def machine(database: Database, tmp_path: Path, redis_url: str) -> Machine:
    return Machine(tmp_path, database, redis_url)


def compose_finds_it_healthy(port: str) -> bool:
    """The healthcheck of compose.yml, which asks the process itself: by its address, without TLS."""
    how, *command = compose()["services"]["web"]["healthcheck"]["test"]
    assert how == "CMD"
    command = [sys.executable, *(part.replace("8000", port) for part in command[1:])]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_the_units_keep_what_they_write_where_the_settings_say() -> None:
    data = re.search(r"^DATA_DIR=(.+)$", SETTINGS.read_text(), re.MULTILINE)
    assert data is not None
    for unit in UNITS.values():
        assert f"/var/lib/{of_unit(unit, 'StateDirectory')}" == data[1]
        assert "\nEnvironment" not in unit.read_text()  # manage.py would know nothing of it
    made = next(line for line in lines_for_one_machine() if line.startswith("install -d "))
    assert made.split()[-1] == data[1]
    assert of_unit(UNITS["web"], "StateDirectoryMode").endswith(made.partition(" -m ")[2].split()[0])


async def test_who_follows_the_document_has_a_site_that_works_behind_a_proxy(machine: Machine) -> None:
    prepare = [
        line
        for line in lines_for_one_machine()
        if line.startswith("sudo -u backdrop .venv/bin/python manage.py ")
    ]
    before = prepare[: next(at for at, line in enumerate(prepare) if line.endswith(" createsuperuser"))]
    assert [line.split()[5] for line in before] == ["migrate", "collectstatic"]
    assert prepare[len(before) + 1 :] == before  # and who updates it does the same
    for line in before:
        # Without most of what the page for signing in does without: compressing takes its time.
        rest = ("--ignore", "admin", "--ignore", "*/languages/*") if "collectstatic" in line else ()
        await machine.run(line, *rest)
    port = str(free_port())
    web = machine.unit("web", port)
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
            page = await client.get("/login/", follow_redirects=True)
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


async def test_the_worker_s_unit_registers_a_worker_and_ends_when_told(
    machine: Machine, database: Database
) -> None:
    worker = machine.unit("worker", "1")

    async def registered() -> bool:
        return database.query("SELECT count(*) FROM procrastinate_workers") == [(1,)]

    try:
        worker.spawn()
        await worker.ready(registered)
        assert await worker.stopped() == 0
    finally:
        worker.kill()
    assert database.query("SELECT count(*) FROM procrastinate_workers") == [(0,)]


async def test_who_follows_the_document_has_an_nginx_that_finds_the_units_and_their_pictures(
    machine: Machine,
) -> None:
    lines = lines_for_one_machine()
    await machine.run(next(line for line in lines if line.startswith("sed ")))
    (made,) = machine.conf.iterdir()
    conf = made.read_text()
    enabled = next(line for line in lines if line.startswith("systemctl enable --now "))
    upstream = re.sub("#.*", "", conf.partition("upstream backdrop {")[2].partition("}")[0])
    assert re.findall(r"server (\S+);", upstream) == [
        f"127.0.0.1:{port}" for port in re.findall(r"backdrop-web@(\d+)", enabled)
    ]
    assert f"alias {machine.data}/media/;" in conf
