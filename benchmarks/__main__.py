"""`python -m benchmarks [--quick] [--only FAMILY ...]`: measure, print a table, write it as JSON and as a plot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvloop

from benchmarks import machine
from benchmarks.measures import growth, processes, returning, storage, streams, tabs
from benchmarks.plan import Plan
from benchmarks.postgres import DATA, ROOT
from benchmarks.report import Report
from benchmarks.servers import (
    BACKDROP,
    BACKDROP_DAPHNE,
    BASELINE_PYTHON,
    CHAINLIT,
    OURS,
    TUTORIAL,
    Services,
    Target,
)

FAMILIES = {
    "streams": streams.measure,
    "processes": processes.measure,
    "tabs": tabs.measure,
    "returning": returning.measure,
    "storage": storage.measure,
    "growth": growth.measure,
}

SLOW = ("processes",)
"""What a quick run has no time for, unless it is asked for."""


async def run(*, quick: bool, families: list[str]) -> Report:
    """Measure these families, in this order."""
    targets: tuple[Target, ...] = (BACKDROP, TUTORIAL, CHAINLIT)
    if not quick:
        targets += (BACKDROP_DAPHNE,)
    report = Report(quick)
    if not BASELINE_PYTHON.exists():
        targets = tuple(target for target in targets if target in OURS)
        report.notes.append("The baselines are not installed; `make bench` does that.")
    async with Services() as services:
        plan = Plan(services, report, targets, quick)
        for family in families:
            plan.note(family)
            await FAMILIES[family](plan)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Measures Backdrop beside applications written the usual way."
    )
    parser.add_argument("--quick", action="store_true", help="a coarse look in less than three minutes")
    parser.add_argument("--only", nargs="+", choices=FAMILIES, metavar="FAMILY")
    parser.add_argument("--into", type=Path, help="where JSON and plot go: docs/, or with --quick var/bench/")
    options = parser.parse_args()
    families = options.only or [name for name in FAMILIES if not (options.quick and name in SLOW)]
    into = options.into or (DATA if options.quick else ROOT / "docs")
    machine.keep_off_the_server_core()
    if machine.load() > 1:
        print(
            "Other programs use this machine: trust no figure of this run, and the ratios little.",
            file=sys.stderr,
        )
    report = uvloop.run(run(quick=options.quick, families=families))
    print(report.table())
    for note in report.notes:
        print(f"\n{note}")
    into.mkdir(parents=True, exist_ok=True)
    report.write(into)
    for fault in report.faults:
        print(f"FAULT  {fault}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
