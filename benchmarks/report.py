"""What was measured, as a table, as JSON and as a plot. A figure is the median of its repetitions."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks import machine
from benchmarks.servers import BACKDROP, BACKDROP_DAPHNE, CHAINLIT, OTHERS, TUTORIAL

Better = Literal["more", "less", ""]

BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"
NOISY = 0.05

COLUMNS = (BACKDROP, BACKDROP_DAPHNE, TUTORIAL, CHAINLIT)


@dataclass(frozen=True)
class Measure:
    """One row. `goal` is what Backdrop on uvicorn should reach: absolute, or a multiple of a baseline's figure."""

    key: str
    title: str
    unit: str
    better: Better = ""
    goal: float | None = None
    of: str | None = None
    """The baseline that the goal is a multiple of."""


@dataclass
class Report:
    """The figures of a benchmark run."""

    quick: bool
    measures: dict[str, Measure] = field(default_factory=dict)
    found: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    waited_seconds: float = 0.0
    wall_seconds: float = 0.0

    def add(self, measure: Measure, value: float, target: str = BACKDROP.name) -> None:
        """One repetition's figure."""
        self.measures.setdefault(measure.key, measure)
        self.found[measure.key][target].append(value)

    def fault(self, where: str, faults: list[str]) -> None:
        """Words that did not come once and in order."""
        self.faults += [f"{where}: {fault}" for fault in faults[:5]]

    def median(self, key: str, target: str = BACKDROP.name) -> float | None:
        values = self.found.get(key, {}).get(target)
        return statistics.median(values) if values else None

    def ratio(self, key: str) -> tuple[float, str] | None:
        """Backdrop's figure as a multiple of the baseline that the row is compared with, and its name."""
        ours = self.median(key)
        for name in (self.measures[key].of, *(target.name for target in OTHERS)):
            theirs = self.median(key, name) if name else None
            if ours is not None and ours >= 0 and theirs is not None and theirs > 0:
                return ours / theirs, name or ""
        return None

    def is_met(self, key: str) -> bool | None:
        """Whether the goal is reached; None where there is none, or nothing to compare with."""
        measure, ours = self.measures[key], self.median(key)
        if measure.goal is None or ours is None:
            return None
        goal = measure.goal
        if measure.of is not None:
            theirs = self.median(key, measure.of)
            if not theirs:
                return None
            goal *= theirs
        return ours >= goal if measure.better == "more" else ours <= goal

    def table(self) -> str:
        """The rows as Markdown."""
        columns = [column for column in COLUMNS if any(column.name in found for found in self.found.values())]
        head = ["measure", *(column.title for column in columns), "ratio", "goal", "met"]
        lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for key, measure in self.measures.items():
            figures = [self._figure(self.median(key, column.name)) for column in columns]
            ratio = self.ratio(key)
            met = {True: "yes", False: "**no**", None: ""}[self.is_met(key)]
            cells = [
                f"{measure.title}{f' ({measure.unit})' if measure.unit else ''}",
                *figures,
                f"{ratio[0]:.2f} × {ratio[1]}" if ratio else "",
                self._goal(measure),
                met,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    @staticmethod
    def _figure(value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def _goal(self, measure: Measure) -> str:
        if measure.goal is None:
            return ""
        sign = "≥" if measure.better == "more" else "≤"
        return f"{sign} {self._figure(measure.goal)}" + (f" × {measure.of}" if measure.of else "")

    def as_json(self) -> dict[str, Any]:
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.described(),
            "pinned": machine.PINNED,
            "quick": self.quick,
            "waited_share": round(self.waited_seconds / self.wall_seconds, 3) if self.wall_seconds else 0,
            "faults": self.faults,
            "notes": self.notes,
            "measures": [
                {
                    "key": key,
                    "title": measure.title,
                    "unit": measure.unit,
                    "goal": self._goal(measure),
                    "met": self.is_met(key),
                    "medians": {name: self.median(key, name) for name in self.found[key]},
                    "repetitions": dict(self.found[key]),
                }
                for key, measure in self.measures.items()
            ],
        }

    def write(self, directory: Path) -> None:
        """benchmark.json and benchmark.svg; and the table, where the directory has a page with a place for it."""
        (directory / "benchmark.json").write_text(
            json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n"
        )
        (directory / "benchmark.svg").write_text(self.plot())
        page = directory / "performance.md"
        if page.exists() and BEGIN in (text := page.read_text()):
            before, after = text.partition(BEGIN)[0], text.partition(END)[2]
            page.write_text(f"{before}{BEGIN}\n{self.table()}\n{self._circumstances()}{END}{after}")

    def _circumstances(self) -> str:
        when = datetime.now(UTC).date().isoformat()
        share = self.waited_seconds / self.wall_seconds if self.wall_seconds else 0.0
        lines = [
            f"Measured on {when}: {machine.described()}; of the time, the servers waited {share:.0%} for their core."
        ]
        if share > NOISY:
            lines.append("**Others used the machine: these figures are provisional.**")
        return "\n" + "\n".join([*lines, *self.notes]) + "\n"

    def plot(self) -> str:
        """Bars for what a core holds and what a word costs."""
        charts = [
            ("held", "Conversations of 50 words a second that one core holds"),
            ("cpu_saturated", "CPU seconds for 1,000 words, at the most that is held"),
        ]
        parts: list[str] = []
        top = 24
        for key, title in charts:
            rows = [(c.title, value) for c in COLUMNS if (value := self.median(key, c.name)) is not None]
            if not rows:
                continue
            most = max(value for _, value in rows) or 1.0
            parts.append(f'<text x="16" y="{top}" class="title">{title}</text>')
            for name, value in rows:
                top += 26
                kind = "ours" if name.startswith("Backdrop") else "other"
                width = 380 * value / most
                parts.append(f'<text x="236" y="{top}" text-anchor="end">{name}</text>')
                parts.append(
                    f'<rect x="246" y="{top - 13}" width="{width:.0f}" height="17" rx="3" class="{kind}"/>'
                )
                parts.append(f'<text x="{254 + width:.0f}" y="{top}">{self._figure(value)}</text>')
            top += 48
        style = (
            "text{font:13px system-ui,sans-serif;fill:#444}.title{font-weight:600;fill:#222}"
            ".ours{fill:#7a5af0}.other{fill:#b9b5c6}"
            "@media(prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#eee}.other{fill:#5d5a68}}"
        )
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {top - 20}" width="700" role="img">'
        return f"{head}<title>What one core holds</title><style>{style}</style>{''.join(parts)}</svg>\n"
