"""The command `tripod report`: how the whole cluster is, on the terminal and as a page."""

import concurrent.futures
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.backlog import Backlog
from cluster.clock import utc_now
from cluster.command import config_option, give_up, json_option, settings_or_exit
from cluster.durable_file import write_durably
from cluster.health import ReplicatorHealth
from cluster.recent import Recent
from cluster.settings import Settings
from compose.certificates import certificates
from compose.findings import Observed, Severity, findings, verdict
from compose.replicator_answers import from_replicators
from compose.report_page import report_page
from compose.report_rows import Table as Rows
from compose.report_rows import certificate_table, node_table, pair_table, rate_table, warning_table
from compose.status import cluster_status

_STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "blue", Severity.GOOD: "green"}


@click.command()
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a page to FILE too.")
@config_option
@json_option
def report(page: Path | None, file: Path, *, as_json: bool) -> None:
    """Say how the cluster is: a verdict, what to do, then nodes, pairs, rates, certificates and the last warnings.

    Exit status 1 when something must be seen to now.
    """
    seen = observe(settings_or_exit(file))
    found = findings(seen)
    severity, sentence = verdict(found)
    if page is not None:
        try:
            write_durably(page, report_page(seen).encode())
        except OSError as error:
            give_up(f"{page}: {error.strerror}")
    if as_json:
        said = {"verdict": severity.name.lower(), "sentence": sentence, "findings": found, "observed": seen}
        click.echo(msgspec.json.format(msgspec.json.encode(said)))
    else:
        _show(Console(), seen)
    sys.exit(1 if severity is Severity.CRITICAL else 0)


def observe(settings: Settings) -> Observed:
    """Ask every part of the cluster at once."""
    replicated = settings.replication.mode != "none"
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        status = pool.submit(cluster_status, settings)
        healths = pool.submit(from_replicators, settings, "health", ReplicatorHealth) if replicated else None
        backlogs = pool.submit(from_replicators, settings, "backlog", Backlog) if replicated else None
        recent = pool.submit(from_replicators, settings, "recent", Recent) if replicated else None
        moment = utc_now()
        return Observed(
            at=f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            name=settings.cluster.name,
            nodes=tuple(settings.nodes),
            replicated=replicated,
            balancer=status.result().balancer,
            ftpnodes={name: node for name, node in status.result().nodes.items() if node is not None},
            replicators=healths.result()[0] if healths else {},
            backlogs=backlogs.result()[0] if backlogs else {},
            recent=recent.result()[0] if recent else {},
            certificates=certificates(settings, moment),
        )


def _show(console: Console, seen: Observed) -> None:
    found = findings(seen)
    severity, sentence = verdict(found)
    console.print(Text(sentence, style=_STYLES[severity]))
    console.print(f"cluster {seen.name}, {seen.at}", style="dim", highlight=False)
    for each in found:
        console.print(Text.assemble(("  ● ", _STYLES[each.severity]), (f"{each.where}: ", "bold"), each.what),
                      soft_wrap=True)  # fmt: skip
        console.print(Text(f"    {each.advice}", style="dim"), soft_wrap=True)
    for title, rows in (
        ("nodes", node_table(seen)),
        ("between the nodes", pair_table(seen)),
        ("the last hour", rate_table(seen)),
        ("certificates", certificate_table(seen)),
        ("last warnings", warning_table(seen, 5)),
    ):
        _show_table(console, title, rows)


def _show_table(console: Console, title: str, table: Rows) -> None:
    titles, rows = table
    if not rows:
        return
    console.print(f"\n{title}", style="bold", highlight=False)
    if not console.is_terminal:
        for row in (titles, *rows):
            click.echo("\t".join(row))
        return
    drawn = Table(*titles, box=None, pad_edge=False, header_style="dim")
    for row in rows:
        drawn.add_row(*(Text(value) for value in row))
    console.print(drawn)
