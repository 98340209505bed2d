"""`python -m tests.kills`: a long run, with its progress and a table of its counts; status 1 when anything is wrong."""

import platform
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cluster.clock import monotonic_s, utc_now
from tests.kills.record import Record
from tests.kills.run import Plan, run

_SAY_EVERY_S = 10.0
_ROWS = (
    "kills of ftpnodes",
    "kills of replicators",
    "acknowledged",
    "acknowledged with 1 copy",
    "acknowledged with 2 copies",
    "attempts that failed",
    "answers of a node that is behind",
    "looks at visible files",
    "staged files left by kills, and cleaned",
    "files compared at the end",
)


class Progress:
    """Says every few seconds how far the run is."""

    def __init__(self, plan: Plan, record: Record) -> None:
        self._plan = plan
        self._record = record
        self._began_s = self._said_s = monotonic_s()

    @property
    def seconds(self) -> float:
        return monotonic_s() - self._began_s

    def __call__(self) -> None:
        if monotonic_s() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = monotonic_s()
        kills, acknowledged = self._record["kills"], self._record["acknowledged"]
        click.echo(
            f"{self.seconds:5.0f} s: {kills} of {self._plan.kills} kills, "
            f"{acknowledged} of {self._plan.uploads} uploads acknowledged, {len(self._record.findings)} findings"
        )


@click.command()
@click.option("--kills", default=1000, show_default=True, help="SIGKILLs in all.")
@click.option("--uploads", default=10_000, show_default=True, help="Acknowledged uploads in all, at least.")
@click.option("--clusters", default=3, show_default=True, help="Clusters of two nodes, side by side.")
@click.option("--clients", default=4, show_default=True, help="Clients of each cluster.")
@click.option("--seed", default=1, show_default=True, help="Of all chance but for the machine's own.")
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder that keeps trees and logs.")
def main(keep: Path | None, **numbers: int) -> None:
    """SIGKILL ftpnodes and replicators at random while clients upload."""
    plan, record = Plan(**numbers), Record()
    click.echo(f"seed {plan.seed}, {utc_now():%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}")
    progress = Progress(plan, record)
    with tempfile.TemporaryDirectory(prefix="tripod-kills-", dir="/var/tmp") as temporary:
        if keep is not None:
            keep.mkdir(parents=True)
        run(plan, keep or Path(temporary), record, progress)
    table = Table("what", "count", box=None, pad_edge=False, header_style="bold")
    for row in _ROWS:
        table.add_row(row, f"{record[row]:,}")
    table.add_row("seconds", f"{progress.seconds:,.0f}")
    table.add_row("findings", str(len(record.findings)))
    Console().print(table)
    for finding in record.findings:
        click.echo(finding)
    sys.exit(bool(record.findings))


if __name__ == "__main__":
    main()
