"""Finds a browser for the tests, or installs one: `python -m tests.services.browsers` does it ahead of the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL_SECONDS = 240

PACKAGE = "chromium-headless-shell"


class NoBrowserError(Exception):
    """There is no browser and none could be installed; the message says what to do."""


def executable() -> str | None:
    """The path of a Chromium, or None for Playwright's own. Installs one if there is none.

    Tried in this order: CHROMIUM, PATH, Playwright's own, Playwright's download, and as root Debian's package.
    """
    if given := os.environ.get("CHROMIUM"):
        if not Path(given).exists():
            raise NoBrowserError(f"CHROMIUM is {given!r}, which does not exist.")
        return given
    if found := _on_path():
        return found
    # Does nothing, and needs no network, when Playwright has its browser already.
    if _succeeds(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"):
        return None
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        _succeeds("apt-get", "update", "-q", **environment)
        _succeeds("apt-get", "install", "-q", "-y", "--no-install-recommends", PACKAGE, **environment)
        if found := _on_path():
            return found
    raise NoBrowserError(
        "The browser tests need a Chromium: install one, or set CHROMIUM to the path of one."
    )


def _on_path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _succeeds(*command: str, **environment: str) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"gave up after {INSTALL_SECONDS} s: {' '.join(command)}", file=sys.stderr)
        return False
    if done.returncode != 0:
        print(done.stdout[-2000:], file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    try:
        print(executable() or "Playwright's own Chromium")
    except NoBrowserError as error:
        sys.exit(str(error))
