"""Where tests leave the figures that they measured: in one table at the end, and kept for docs/reliability.md."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
"""How long the soak is to take, about, besides what the tests take for themselves; any gives them their long form."""
LONG = SOAK_SECONDS > 0
CHANCE_SECONDS = SOAK_SECONDS * 2 / 3
"""How much of it is left to chance. The rest goes to malformed frames."""
MALFORMED_FRAMES = int(1_000_000 * min(1.0, SOAK_SECONDS / 600)) if LONG else 20_000

_reported: list[tuple[str, dict[str, float]]] = []
_counted = Counter(
    {
        "kills survived": 0,
        "states compared": 0,
        "events compared": 0,
        "events lost or doubled": 0,
        "events out of order": 0,
        "runs ended": 0,
        "runs stuck": 0,
    }
)
_took_over: list[float] = []


def report(what: str, **figures: float) -> None:
    """Keep the figures for the table; with FIGURES in the environment, add them to that file too, a line of JSON."""
    _reported.append((what, figures))
    if path := os.environ.get("FIGURES"):
        with Path(path).open("a") as file:
            file.write(
                json.dumps({"what": what, **{name: round(value, 3) for name, value in figures.items()}})
                + "\n"
            )


def count(**more: int) -> None:
    """Add to the counts of the whole run, whose names have spaces where these have underscores."""
    _counted.update({name.replace("_", " "): number for name, number in more.items()})


def took_over(seconds: Iterable[float]) -> None:
    """Note how long after the death of a worker its runs were at work again, for the figures of the whole run."""
    _took_over.extend(seconds)


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def table() -> list[str]:
    """The lines of the table: what each test measured, and what all of them came to."""
    rows = [
        (what if place == 0 else "", name.replace("_", " "), value)
        for what, figures in _reported
        for place, (name, value) in enumerate(figures.items())
    ]
    total: dict[str, float] = dict(_counted)
    if _took_over:
        total |= {
            "takeovers": len(_took_over),
            "takeover p50 seconds": percentile(_took_over, 0.5),
            "takeover p99 seconds": percentile(_took_over, 0.99),
        }
    rows += [("all" if place == 0 else "", name, value) for place, (name, value) in enumerate(total.items())]
    widths = [max(len(str(row[column])) for row in rows) for column in (0, 1)] if rows else [0, 0]
    return [f"{what:<{widths[0]}}  {name:<{widths[1]}}  {value:>12,.10g}" for what, name, value in rows]
