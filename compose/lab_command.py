"""`tripod lab`: a whole cluster and its clients on this host, broken on purpose and judged."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from rich.console import Console

from cluster.command import give_up
from cluster.durable_file import write_durably
from compose.lab.fault import Chaos
from compose.lab.process import PartFailedError
from compose.lab.run import Lab, LabOptions
from compose.lab.view import view_for
from compose.show import show_report


@click.command()
@click.option("--nodes", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--stations", type=click.IntRange(0, 200), default=40, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True)
@click.option(
    "--hour-seconds", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Length of an hour."
)
@click.option(
    "--chaos",
    type=click.Choice(Chaos, case_sensitive=False),
    is_flag=False,
    flag_value=Chaos.NODES,
    help="Kill (SIGKILL) and stop (SIGSTOP) one part after another: those of the nodes, or the balancer too (all).",
)
@click.option("--upgrade", is_flag=True, help="Restart all nodes one by one and replace the balancer meanwhile.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--network", default="127.0.0", show_default=True, help="The VIP will be .10 of it, the nodes .11 and up."
)
@click.option("--report", "report_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report here.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep all files in this (new) folder.")
@click.option("--real-files", type=click.Path(path_type=Path, file_okay=False), help="Send these station files too.")
def lab(report_file: Path | None, keep: Path | None, **given: Any) -> None:
    """Run a whole cluster and its clients on loopback addresses, and judge what was promised and what was kept."""
    options = LabOptions(**given, corpus=_cache_folder() / "corpus")
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tripod-lab-") as temporary:
        folder = (keep or Path(temporary) / "lab").resolve()
        try:
            running = Lab(options, folder, stop)
            with view_for(console) as view:
                report = running.run(view)
        except PartFailedError as error:
            give_up(str(error))
        except OSError as error:
            give_up(f"{error.filename or folder}: {error.strerror}")
        if report_file is not None:
            write_durably(report_file, msgspec.json.format(msgspec.json.encode(report)))
    show_report(console, report)
    sys.exit(0 if report.good else 1)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tripod"
