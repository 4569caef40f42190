"""What `make mutations` takes out is there to be taken out, and the table in docs/reliability.md is that of it."""

from __future__ import annotations

from tests.services.process import ROOT
from tests.soak.mutations import MUTATIONS


def test_every_control_that_a_mutation_takes_out_is_there() -> None:
    assert [one.name for one in MUTATIONS if one.old not in (ROOT / one.path).read_text()] == []


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
