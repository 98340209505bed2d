"""What a bench found: figures with their unit, ratios against peers, growth; printed as a table and written as JSON."""

import json
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table


def machine() -> dict[str, object]:
    """What it ran on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    cores = Path("/proc/cpuinfo").read_text().count("processor\t:")
    return {"cpu": cpu, "cores": cores, "kernel": platform.release(), "python": platform.python_version()}


def median(measure: Callable[[], float], runs: int) -> float:
    """The median of so many measurements."""
    return statistics.median(measure() for _ in range(runs))


class Sheet:
    """Collects what is measured; a peer that is missing is said, never guessed."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, float]] = {}
        self._units: dict[str, str] = {}
        self._ratios: dict[str, float] = {}
        self._growth: dict[str, dict[str, float]] = {}
        self._missing: list[str] = []

    def figure(self, what: str, unit: str, **by_server: float) -> None:
        """What each server did."""
        self._figures[what] = by_server
        self._units[what] = unit

    def ratio(self, name: str, value: float) -> None:
        """Ours against a peer's; above 1 is better."""
        self._ratios[name] = round(value, 3)

    def growth(self, what: str, values: dict[int, float]) -> None:
        """How a figure goes with a number."""
        self._growth[what] = {str(key): round(value, 1) for key, value in values.items()}

    def missing(self, peer: str) -> None:
        """Say that a peer is not here."""
        self._missing.append(peer)

    def show(self, file: Path | None) -> None:
        """Print everything; write it to `file` too."""
        console = Console()
        servers = list(dict.fromkeys(name for figures in self._figures.values() for name in figures))
        table = Table("work", "unit", *servers, box=None, pad_edge=False, header_style="bold")
        for what, figures in self._figures.items():
            values = [f"{figures[name]:,.1f}" if name in figures else "–" for name in servers]
            table.add_row(what, self._units[what], *values)
        console.print(table)
        for name, value in self._ratios.items():
            console.print(f"ratio {name}: {value:.2f}", highlight=False)
        for what, values in self._growth.items():
            console.print(f"growth, {what}: " + ", ".join(f"{key}: {value}" for key, value in values.items()))
        for peer in self._missing:
            console.print(f"missing here, so not compared: {peer}")
        found = {
            "machine": machine(),
            "figures": self._figures,
            "ratios": self._ratios,
            "growth": self._growth,
            "missing": self._missing,
        }
        if file is not None:
            file.write_text(json.dumps(found, indent=2) + "\n")
            click.echo(f"wrote {file}")
