"""Says every few seconds how far a long run is, and in the end what it counted."""

from collections.abc import Callable, Iterable

import click
from rich.console import Console
from rich.table import Table

from cluster.clock import monotonic_s
from tests.kit.record import Record

_SAY_EVERY_S = 10.0


class Progress:
    """Called now and then while a run goes on; `line` says in a few words how far it is."""

    def __init__(self, record: Record, line: Callable[[], str]) -> None:
        self._record = record
        self._line = line
        self._began_s = self._said_s = monotonic_s()

    @property
    def seconds(self) -> float:
        return monotonic_s() - self._began_s

    def __call__(self) -> None:
        if monotonic_s() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = monotonic_s()
        click.echo(f"{self.seconds:5.0f} s: {self._line()}, {len(self._record.findings)} findings")

    def show(self, rows: Iterable[str]) -> None:
        """A table of these counts, and every finding."""
        table = Table("what", "count", box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(row, f"{self._record[row]:,}")
        table.add_row("seconds", f"{self.seconds:,.0f}")
        table.add_row("findings", str(len(self._record.findings)))
        Console().print(table)
        for finding in self._record.findings:
            click.echo(finding)
