"""What `make mutations` takes out is there to be taken out, and the table in docs/reliability.md is that of it."""

from __future__ import annotations

import ast
import re
import shlex
from collections import Counter

from tests.services.process import ROOT
from tests.soak.mutations import MUTATIONS


def test_every_control_is_in_one_place_and_what_is_left_without_it_is_a_program() -> None:
    for one in MUTATIONS:
        text = (ROOT / one.path).read_text()
        assert text.count(one.old) == 1, one.name
        ast.parse(text.replace(one.old, one.new))


def test_every_control_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(one.name for one in MUTATIONS).items() if count > 1] == []


def test_the_tests_that_are_to_notice_are_there() -> None:
    fixtures = (ROOT / "tests/integration/conftest.py").read_text()  # which have parameters of their own
    for one in MUTATIONS:
        paths = [ROOT / word for word in shlex.split(one.test) if word.endswith(".py")]
        texts = [fixtures, *(path.read_text() for path in paths)]
        chosen = shlex.split(one.test)[len(paths) :]
        for word in set(re.findall(r"[\w-]+", " ".join(chosen))) - {"-k", "and"}:
            assert any(word in text for text in texts), (one.name, word)


def test_the_documentation_names_every_control_and_no_other() -> None:
    table = (
        (ROOT / "docs" / "reliability.md")
        .read_text()
        .partition("| taken out | of | fails |\n|---|---|---|\n")[2]
    )
    rows = [
        f"| {one.name} | `{one.path}` | `{one.test.replace('tests/reliability/', '').removeprefix('tests/')}` |"
        for one in MUTATIONS
    ]
    assert table.partition("\n\n")[0].splitlines() == rows
