"""`python -m tests.soak`: a long run, with its progress and a table of its counts; status 1 when anything is wrong."""

import platform
import sys
import tempfile
from pathlib import Path

import click

from cluster.clock import utc_now
from tests.kit.progress import Progress
from tests.kit.record import Record
from tests.soak.run import Plan, run

_ROWS = (
    "changes by clients",
    "of them with fewer copies than asked for",
    "refused",
    "answers that never came",
    "changes beside FTP",
    "looks for the copies that were promised",
    "replicators killed (SIGKILL)",
    "replicators ended (SIGTERM)",
    "replicators stopped and let go on (SIGSTOP, SIGCONT)",
    "wires: cut",
    "wires: reset",
    "wires: stall",
    "wires: half-open",
    "splits in which each node wrote the same path",
    "paths whose content a program deleted when no other node had it",
    "files compared at the end",
    "versions that lose in the end",
    "conflicts listed in the end",
)


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long before all is healed and judged.")
@click.option("--seed", default=1, show_default=True, help="Of all chance but for the machine's own.")
@click.option("--clients", default=5, show_default=True, help="Clients, beside a program on each host.")
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder that keeps trees and logs.")
def main(seconds: float, seed: int, clients: int, keep: Path | None) -> None:
    """Three replicators, several writers, and everything that fails at hosts and wires."""
    plan, record = Plan(seconds=seconds, seed=seed, clients=clients), Record()
    click.echo(f"seed {plan.seed}, {utc_now():%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}")

    def line() -> str:
        changes = record["changes by clients"] + record["changes beside FTP"]
        return f"{changes} changes, {record['replicators killed (SIGKILL)']} kills"

    progress = Progress(record, line)
    with tempfile.TemporaryDirectory(prefix="tripod-soak-", dir="/var/tmp") as temporary:
        if keep is not None:
            keep.mkdir(parents=True)
        run(plan, keep or Path(temporary), record, progress)
    progress.show(_ROWS)
    sys.exit(bool(record.findings))


if __name__ == "__main__":
    main()
