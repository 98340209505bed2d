"""`python -m tests.kills`: a long run, with its progress and a table of its counts; status 1 when anything is wrong."""

import platform
import sys
import tempfile
from pathlib import Path

import click

from cluster.clock import utc_now
from tests.kills.run import Plan, run
from tests.kit.progress import Progress
from tests.kit.record import Record

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
    progress = Progress(
        record,
        lambda: (
            f"{record['kills']} of {plan.kills} kills, {record['acknowledged']} of {plan.uploads} uploads acknowledged"
        ),
    )
    with tempfile.TemporaryDirectory(prefix="tripod-kills-", dir="/var/tmp") as temporary:
        if keep is not None:
            keep.mkdir(parents=True)
        run(plan, keep or Path(temporary), record, progress)
    progress.show(_ROWS)
    sys.exit(bool(record.findings))


if __name__ == "__main__":
    main()
