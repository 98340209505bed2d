"""The command `python -m stations`: a simulated GNSS network that works against a cluster."""

import ipaddress
import signal
import ssl
from datetime import UTC
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
import msgspec

from cluster.clock import monotonic_s, now_s
from cluster.log import logger, start_logging
from stations.corpus import Corpus
from stations.journal import Journal, read_journal
from stations.ledger import counts
from stations.pushing_actors import APPLICATION_ACCOUNT, STATION_ACCOUNT
from stations.scene import Homes, Scene, Settings
from stations.servicedesk import ACCOUNT as DESK_ACCOUNT
from stations.simulator import desk_context, gnss_files, prepare, simulate

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)

_PLAIN: Final = (
    *(
        "host",
        "ingest_port",
        "public_port",
        "stations",
        "applications",
        "customers",
        "servicedesk",
        "idlers",
        "seconds",
        "seed",
        "hours_ahead",
    ),
)

log = logger(__name__)


@click.group()
def main() -> None:
    """GNSS stations, application servers, customers, a service desk and idle sessions, simulated."""


@main.command()
@click.option("--host", required=True, help="The cluster's address.")
@click.option("--ingest-port", type=int, required=True, help="Port of the site ingest.")
@click.option("--public-port", type=int, required=True, help="Port of the site public.")
@click.option("--passwords", type=_FILE, required=True, help="JSON object: account to password.")
@click.option("--stations", type=click.IntRange(0, 999), default=40, show_default=True)
@click.option("--applications", type=click.IntRange(0, 99), default=2, show_default=True)
@click.option("--customers", type=click.IntRange(0), default=5, show_default=True)
@click.option("--servicedesk", type=click.IntRange(0), default=1, show_default=True)
@click.option("--idlers", type=click.IntRange(0), default=3, show_default=True, help="Sessions that are just kept.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="0: until SIGTERM or SIGINT.")
@click.option("--hour-seconds", type=float, default=15.0, show_default=True, help="How long an hour takes.")
@click.option(
    "--hours-ahead", type=click.IntRange(0), default=6, show_default=True, help="Files made before the start."
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON lines, appended.")
@click.option("--corpus", type=_FOLDER, required=True, help="Cache of generated files.")
@click.option("--real-files", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Pushed once each.")
@click.option("--source-network", help="Client number i binds address i of it, e.g. 127.0.1.0/24.")
@click.option("--ca", type=_FILE, help="CA that the FTPS certificate must chain to.")
@click.option("--first-hour", type=click.DateTime(["%Y-%m-%dT%H"]), default="2026-11-22T14", show_default=True)
@click.option("--station-home", default="Station", show_default=True, help="Home of station below the cluster's root.")
@click.option("--data-home", default="Data", show_default=True, help="Home of lansurvey and anonymous.")
@click.option("--servicedesk-home", default="", help="Home of servicedesk; default the root itself.")
@click.option("--timeout-seconds", type=float, default=30.0, show_default=True, help="Of every wait for the server.")
@click.option("--retry-seconds", type=float, default=2.0, show_default=True, help="Until a failed push is tried again.")
@click.option("--settle-seconds", type=float, default=60.0, show_default=True, help="Bound of the last round.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def run(**options: Any) -> None:
    """Work against a cluster; exit status 0 unless the command line or this program itself is at fault."""
    start_logging(options["log_format"], part="stations")
    settings = _settings(options)
    context = _context(options["ca"], settings)
    corpus = Corpus(options["corpus"])
    # The default would end this process alone and leave the ones that make files waiting for it.
    signal.signal(signal.SIGTERM, _end_now)
    prepare(settings, corpus)
    with Journal(options["journal"], now_s) as journal:
        scene = Scene(settings, journal, corpus, monotonic_s())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: scene.stop.set())
        log.info("started", stations=settings.stations, seconds=settings.seconds)
        simulate(scene, gnss_files(options["real_files"]), context)
    log.info("ended", **msgspec.to_builtins(counts(read_journal(options["journal"]))))


def _end_now(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _settings(options: dict[str, Any]) -> Settings:
    try:
        passwords = msgspec.json.decode(options["passwords"].read_bytes(), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"not a JSON object of strings: {error}", param_hint="--passwords") from error
    needed = {
        STATION_ACCOUNT: options["stations"] or options["idlers"],
        APPLICATION_ACCOUNT: options["applications"],
        DESK_ACCOUNT: options["servicedesk"] or (options["idlers"] and options["ca"]),
    }
    missing = [account for account, actors in needed.items() if actors and account not in passwords]
    if missing:
        raise click.BadParameter(f"no password for {', '.join(missing)}", param_hint="--passwords")
    try:
        network = ipaddress.IPv4Network(options["source_network"]) if options["source_network"] else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--source-network") from error
    return Settings(
        **{name: options[name] for name in _PLAIN},
        passwords=passwords,
        source_network=network,
        first_hour=options["first_hour"].replace(tzinfo=UTC),
        hour_s=options["hour_seconds"],
        timeout_s=options["timeout_seconds"],
        retry_s=options["retry_seconds"],
        settle_s=options["settle_seconds"],
        homes=Homes(
            station=options["station_home"], data=options["data_home"], servicedesk=options["servicedesk_home"]
        ),
    )


def _context(ca: Path | None, settings: Settings) -> ssl.SSLContext | None:
    if ca is None:
        if settings.servicedesk:
            raise click.UsageError("the service desk speaks TLS: say --ca FILE, or --servicedesk 0")
        return None
    try:
        return desk_context(ca)
    except ssl.SSLError as error:
        raise click.BadParameter(f"no certificate in it: {error}", param_hint="--ca") from error


if __name__ == "__main__":
    main(prog_name="stations")
