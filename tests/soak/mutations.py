"""Shows that controls are needed: takes each out of a copy of the project, and sees its test fail.

    python -m tests.soak.mutations [NAME...]

NAME is a part of a control's name; without any it is all of them. The copy lies in a temporary folder, with a database
server of its own. A test runs first with everything in its place: one that fails there shows nothing. The exit code is
0, or the sum of what was met: 1 for a test that did not notice, 2 for one that fails without any change, 4 for one that
did not end in time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from tests.soak import controls, controls_of_doors
from tests.soak.controls import Mutation

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    ".env.example",
    "benchmarks",
    "chat",
    "deploy",
    "docs",
    "manage.py",
    "package.json",
    "project",
    "pyproject.toml",
    "static",
    "templates",
    "tests",
)
LINKED = (".venv", "node_modules")
SECONDS = 240

MUTATIONS = controls.MUTATIONS + controls_of_doors.OF_DOORS


class Result(IntEnum):
    """What came of taking a control out; the value is its part of the exit code."""

    NOTICED = 0
    MISSED = 1
    RED = 2
    LATE = 4


class Ended(NamedTuple):
    """How a test ended: pytest's exit code, None where it had to be ended, and the first that it complained of."""

    code: int | None
    why: str


def copy(to: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)
    for name in LINKED:
        (to / name).symlink_to(ROOT / name)


@contextmanager
def without(mutation: Mutation, folder: Path) -> Iterator[None]:
    """In the copy, the control is taken out for so long. Raises LookupError where it is not there."""
    path = folder / mutation.path
    whole = path.read_text()
    if mutation.old not in whole:
        raise LookupError(f"{mutation.name}: {mutation.path} has no {mutation.old!r}")
    path.write_text(whole.replace(mutation.old, mutation.new))
    yield
    path.write_text(whole)


def run(test: str, folder: Path) -> Ended:
    """Run the test in the copy as it stands."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", *shlex.split(test)]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    log = folder / "pytest.log"  # no pipe: what a test that was ended has started could hold it open
    with log.open("wb") as said:
        try:
            code = subprocess.run(
                command, cwd=folder, env=env, stdout=said, stderr=said, timeout=SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            return Ended(None, f"not over after {SECONDS} s")
    lines = log.read_text(errors="replace").splitlines()
    complaint = next((line[1:].strip() for line in lines if line.startswith("E  ")), "")
    return Ended(code, (complaint or next(reversed(lines), ""))[:110])


def show(mutation: Mutation, before: Ended, folder: Path) -> tuple[Result, str]:
    """Take the control out, and see whether its test notices; `before` is how that ended with everything in place."""
    if before.code != 0:
        return Result.RED, before.why
    with without(mutation, folder):
        ended = run(mutation.test, folder)
    if ended.code is None:
        return Result.LATE, ended.why
    return Result.NOTICED if ended.code == 1 else Result.MISSED, ended.why


def main(*names: str) -> int:
    chosen = [one for one in MUTATIONS if not names or any(name in one.name for name in names)]
    if not chosen:
        raise SystemExit(f"No control is named like {' or '.join(names)}.")
    code = 0
    before: dict[str, Ended] = {}
    with tempfile.TemporaryDirectory(prefix="mutations-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        copy(folder)
        for mutation in chosen:
            if mutation.test not in before:
                before[mutation.test] = run(mutation.test, folder)
            result, why = show(mutation, before[mutation.test], folder)
            code |= result
            print(f"{result.name:8}without: {mutation.name} ({mutation.test}): {why}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
