"""How much of everything a benchmark run does: the whole, or what three minutes allow."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from benchmarks.report import Report
from benchmarks.servers import Services, Target
from benchmarks.streams import Load


@dataclass
class Plan:
    """What the measures share: the services, the report, and the sizes of things."""

    services: Services
    report: Report
    targets: tuple[Target, ...]
    quick: bool
    began: float = field(default_factory=time.monotonic)

    @property
    def repetitions(self) -> int:
        return 1 if self.quick else 3

    @property
    def words(self) -> int:
        """Of one answer: 8 seconds of reading, or 3."""
        return 150 if self.quick else 400

    @property
    def steps(self) -> int:
        """Of one search for what a server holds."""
        return 3 if self.quick else 4

    def note(self, text: str) -> None:
        """Say on the way what is happening."""
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def check(self, where: str, load: Load) -> None:
        """Words that were lost, doubled or out of order are faults of the whole run."""
        self.report.fault(where, load.faults)
        self.report.waited_seconds += load.used.waited
        self.report.wall_seconds += load.used.wall
