"""What a bench found: figures with their unit, ratios against peers, growth; printed, written as JSON and as a page."""

import datetime
import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from importlib.metadata import version
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


def median_ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios of what was measured one after the other, so that a machine that drifts harms none."""
    return statistics.median(mine / its for mine, its in zip(ours, peers, strict=True))


class Sheet:
    """Collects what is measured; a peer that is missing is said, never guessed."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, float]] = {}
        self._units: dict[str, str] = {}
        self._ratios: dict[str, float] = {}
        self._targets: dict[str, float] = {}
        self._load = os.getloadavg()[0]
        self._growth: dict[str, dict[str, float]] = {}
        self._missing: list[str] = []

    def figure(self, what: str, unit: str, **by_server: float) -> None:
        """What each server did."""
        self._figures[what] = by_server
        self._units[what] = unit

    def ratio(self, name: str, value: float, target: float | None = None) -> None:
        """Ours against a peer's or a limit; above 1 is better. `target` is what we want it to reach."""
        self._ratios[name] = round(value, 3)
        if target is not None:
            self._targets[name] = target

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
            console.print(f"ratio {name}: {value:.2f}{self._verdict(name)}", highlight=False)
        for what, values in self._growth.items():
            console.print(f"growth, {what}: " + ", ".join(f"{key}: {value}" for key, value in values.items()))
        for peer in self._missing:
            console.print(f"missing here, so not compared: {peer}")
        found = {
            "machine": machine(),
            "figures": self._figures,
            "ratios": self._ratios,
            "targets": self._targets,
            "growth": self._growth,
            "missing": self._missing,
        }
        if file is not None:
            file.write_text(json.dumps(found, indent=2) + "\n")
            click.echo(f"wrote {file}")

    def write_section(self, page: Path, name: str, versions: dict[str, str], *, quick: bool) -> None:
        """Put what was found, as Markdown, between the marks `<!-- NAME -->` and `<!-- end of NAME -->` of a page."""
        how = "a quick run" if quick else "a whole run"
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.read_text().partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{page} has no marks {begin.strip()} and {end}")
        page.write_text(f"{before}{begin}\n{self._markdown(versions, how)}\n{end}{after}")
        click.echo(f"wrote {page}")

    def _verdict(self, name: str) -> str:
        if name not in self._targets:
            return ""
        return f" (wanted {self._targets[name]:g}: {'met' if self._ratios[name] >= self._targets[name] else 'missed'})"

    def _markdown(self, versions: dict[str, str], how: str) -> str:
        about = machine()
        servers = list(dict.fromkeys(name for figures in self._figures.values() for name in figures))
        lines = [
            f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {how}, {about['cores']} cores of {about['cpu']}, "
            f"Linux {about['kernel']}, Python {about['python']}, "
            + ", ".join(f"{what} {which}" for what, which in versions.items())
            + ".",
            f"Load average when the bench began and when it ended: {self._load:.1f} and {os.getloadavg()[0]:.1f}.",
            "",
            _row("work", "unit", *servers),
            _row("---", "---", *("---:" for _ in servers)),
            *(
                _row(what, self._units[what], *(f"{found[name]:,.1f}" if name in found else "–" for name in servers))
                for what, found in self._figures.items()
            ),
            "",
            _row("ratio", "found", "wanted", "verdict"),
            _row("---", "---:", "---:", "---"),
        ]
        for name, value in self._ratios.items():
            target = self._targets.get(name)
            verdict = "" if target is None else "met" if value >= target else "missed"
            lines.append(_row(name, f"{value:.2f}", "" if target is None else f"{target:g}", verdict))
        for what, values in self._growth.items():
            lines += [
                "",
                _row(what, *values),
                _row("---", *("---:" for _ in values)),
                _row("", *map(str, values.values())),
            ]
        lines += ["", *(f"Missing here, so not compared: {peer}." for peer in self._missing)]
        return "\n".join(lines).rstrip() + "\n"


def package_version(name: str) -> str:
    """The version of an installed Python package."""
    return version(name)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
