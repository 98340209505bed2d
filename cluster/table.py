"""A listing as commands print it: for people on a terminal, for scripts anywhere else."""

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table


def show_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table on a terminal, lines of tab-separated fields anywhere else."""
    if not sys.stdout.isatty():
        for row in (titles, *rows):
            click.echo("\t".join(row))
        return
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
