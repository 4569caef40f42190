"""The condition under which checkpoints are read at all: a crafted one must run nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.services.process import ROOT


@pytest.mark.parametrize(("first", "code"), [("", 1), ("import project.settings; ", 0)])
def test_without_the_strictness_that_the_settings_ask_for_no_saver_is_loaded(first: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{first}import chat.agent.checkpoints"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "LANGGRAPH_STRICT_MSGPACK"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "LANGGRAPH_STRICT_MSGPACK=true must be" in done.stderr) == (code, code == 1)
