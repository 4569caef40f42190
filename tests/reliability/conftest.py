"""Processes that can be made to die at a named place, and what they have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from tests.client import Person
from tests.reliability.watching import until
from tests.services.app import NEUTRAL
from tests.services.databases import Database
from tests.services.process import Python, free_port
from tests.site import new_person
from tests.soak.figures import LONG, table

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    made = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or made.failed
    return made


@pytest.fixture(autouse=True)
def _autopsy(request: pytest.FixtureRequest, database: Database) -> Iterator[None]:
    """What the database holds when a test has failed."""
    yield
    if request.node.stash.get(FAILED, False):
        for table in ("chat_run", "chat_toolcall", "procrastinate_jobs", "procrastinate_workers"):
            print(f"--- {table} at {database.query('SELECT now()')}")
            for row in database.query(f"SELECT * FROM {table}"):
                print(row)
        for row in database.query(
            "SELECT thread_id, seq, type, left(body, 200) FROM chat_event ORDER BY 1, 2"
        ):
            print(row)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LONG:
        terminalreporter.section("figures")
        for line in table():
            terminalreporter.write_line(line)


class Doomed(Python):
    """Processes of the project that die, freeze or hang at the places named by their specs; see doomed.py."""

    def __init__(
        self, directory: Path, database: Database, program: str, specs: list[str], **env: str
    ) -> None:
        self.marks = directory / "marks"
        self.marks.mkdir(exist_ok=True)
        self.specs = specs
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        port = [] if program == "worker" else [str(self.port)]
        super().__init__(
            ["-m", "tests.reliability.doomed", str(self.marks), program, *port, *specs],
            directory / f"doomed-{program}-{self.port}.log",
            {
                **NEUTRAL,
                "DATABASE_URL": database.url,
                "DATA_DIR": str(directory),
                "CHAT_WORKER": "external",
                **env,
            },
        )

    def pids(self) -> dict[int, str]:
        """Who is made to act where."""
        return {int(self.marks.joinpath(f"{spec}.pid").read_text()): spec for spec in self.specs}

    def hits(self) -> dict[str, float]:
        """The moment of those who have acted."""
        texts = {spec: self.marks / f"{spec}.hit" for spec in self.specs}
        return {spec: float(path.read_text() or 0) for spec, path in texts.items() if path.exists()}

    async def forked(self) -> None:
        """Wait until all of them are there."""
        await until(lambda: len(list(self.marks.glob("*.pid"))) >= len(self.specs), "processes", seconds=40)

    async def acted(self, *specs: str, seconds: float = 60) -> None:
        """Wait until these (or all) have acted."""
        wanted = specs or tuple(self.specs)

        def missing() -> set[str]:
            return {spec for spec in wanted if not self.hits().get(spec)}

        try:
            await until(lambda: not missing(), "acts", seconds=seconds)
        except AssertionError:
            raise AssertionError(f"{sorted(missing())} did not act; the log:\n{self.log()[-4000:]}") from None


class StartDoomed(Protocol):
    """Start processes that will act at these places; they are not waited for."""

    def __call__(self, program: str, *specs: str, **env: str) -> Doomed: ...


@pytest_asyncio.fixture
async def doomed(database: Database, tmp_path: Path) -> AsyncIterator[StartDoomed]:
    started: list[Doomed] = []

    def start(program: str, *specs: str, **env: str) -> Doomed:
        process = Doomed(tmp_path, database, program, list(specs), **env)
        started.append(process)
        process.spawn()
        return process

    yield start
    for process in started:
        process.kill()


@pytest_asyncio.fixture
async def ada(database: Database) -> AsyncIterator[Person]:
    """Somebody with a token; say where with `at`."""
    person = await asyncio.to_thread(new_person, database, "http://nowhere")
    people = [person]
    original = person.at

    def at(url: str) -> Person:
        people.append(original(url))
        return people[-1]

    person.at = at  # type: ignore[method-assign]
    yield person
    for one in people:
        await one.close()
