"""Where tests leave the figures that they measured: printed in soak, and kept for docs/reliability.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
"""How long chance goes on; with any, every test takes its long form (`make soak`)."""
LONG = SOAK_SECONDS > 0


def report(what: str, **figures: float) -> None:
    """Print the figures as one line; with FIGURES in the environment, add them to that file too."""
    line = json.dumps({"what": what, **{name: round(value, 3) for name, value in figures.items()}})
    print(line)
    if path := os.environ.get("FIGURES"):
        with Path(path).open("a") as file:
            file.write(line + "\n")
