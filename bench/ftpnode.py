"""How fast is one ftpnode, with durable publishing on, against vsftpd and bare pyftpdlib (both without)?"""

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import click

from bench.clients import download_mb_s, idle_cost, sessions_per_s, slowest_reply_ms, upload_mb_s
from bench.servers import Server, bench_in
from bench.sheet import Sheet, median_ratio, package_version

_IDLE_MB = 100
_IDLE_PERCENT = 2
_STALL_MS = 50
_LISTED = 20_000


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Put it into the ftpnode section here.")
def main(file: Path | None, page: Path | None, *, quick: bool) -> None:
    """One stream up and down, plain and TLS; idle sessions; a large listing; short sessions with 1 to 256 clients."""
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="tripod-bench-", dir="/var/tmp") as temporary,
        bench_in(Path(temporary)) as bench,
    ):
        ours, bare, bare_tls, vsftpd = bench.ftpnode(), bench.bare(), bench.bare(tls=True), bench.vsftpd()
        if vsftpd is None:
            sheet.missing("vsftpd")
        _idle_sessions(sheet, ours, bare, quick=quick)  # first: what transfers leave in the heap would hide its price
        _streams(sheet, Path(temporary), ours, bare, vsftpd, quick=quick, tls=False)
        _streams(sheet, Path(temporary), ours, bare_tls, vsftpd, quick=quick, tls=True)
        _listing(sheet, ours, bare, quick=quick)
        _short_sessions(sheet, ours, bare, quick=quick)
        _workers(sheet, {1: ours, 2: bench.ftpnode(workers=2), 4: bench.ftpnode(workers=4)}, quick=quick)
    sheet.show(file)
    if page is not None:
        versions = {"pyftpdlib": package_version("pyftpdlib"), "vsftpd": _version_of_vsftpd() if vsftpd else "missing"}
        sheet.write_section(page, "ftpnode", versions, quick=quick)


def _version_of_vsftpd() -> str:
    """What `vsftpd -v` writes, to its standard input."""
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as written:  # noqa: PTH123 - a pipe
        subprocess.run(["vsftpd", "-v"], stdin=write_end, check=False)
        os.close(write_end)
        return written.read().split()[-1].decode()


def _streams(
    sheet: Sheet, folder: Path, ours: Server, bare: Server, vsftpd: Server | None, *, quick: bool, tls: bool
) -> None:
    size_bytes = (64 if quick else 512 if tls else 1024) << 20
    content = folder / "content"
    with content.open("wb") as out:
        block = Path("/dev/urandom").open("rb").read(1 << 20)  # noqa: SIM115 - one block, repeated
        for _ in range(size_bytes >> 20):
            out.write(block)
    servers = [server for server in (ours, vsftpd, bare) if server is not None]
    kind, runs = ("TLS" if tls else "plain"), 3 if quick else 7
    # In turn, so that a machine whose speed drifts treats all alike.
    up: dict[str, list[float]] = {server.name: [] for server in servers}
    down: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(runs):
        for server in servers:
            up[server.name].append(upload_mb_s(server, content, tls=tls))
            down[server.name].append(download_mb_s(server, size_bytes, tls=tls))
    for way, found in (("upload", up), ("download", down)):
        medians = {name: statistics.median(values) for name, values in found.items()}
        sheet.figure(f"{way} {size_bytes >> 20} MiB, {kind}", "MB/s", **medians)
        for peer in servers[1:]:
            sheet.ratio(
                f"{way}_{kind.lower()}_vs_{peer.name.replace(' ', '_')}",
                median_ratio(found[ours.name], found[peer.name]),
                target=1.0 if peer is vsftpd else None,
            )


def _idle_sessions(sheet: Sheet, ours: Server, bare: Server, *, quick: bool) -> None:
    sessions = 100 if quick else 1000
    costs = {server.name: idle_cost(server, sessions, 2 if quick else 10) for server in (ours, bare)}
    sheet.figure(f"memory of {sessions} idle sessions", "MB", **{name: cost[0] for name, cost in costs.items()})
    sheet.figure(f"{sessions} idle sessions", "% of a core", **{name: cost[1] for name, cost in costs.items()})
    memory_mb, percent = costs[ours.name]
    share = sessions / 1000
    sheet.ratio(f"idle_memory_vs_{_IDLE_MB}_mb", _IDLE_MB * share / max(memory_mb, 0.1), target=1.0)
    sheet.ratio(f"idle_cpu_vs_{_IDLE_PERCENT}_percent", _IDLE_PERCENT / max(percent, 0.1), target=1.0)


def _listing(sheet: Sheet, ours: Server, bare: Server, *, quick: bool) -> None:
    """A listing that stalls does so in every window; what the machine adds now and then is in some."""
    windows, seconds = (3, 1) if quick else (9, 2)
    alone, listed = (
        {
            server.name: statistics.median(slowest_reply_ms(server, seconds, entries=entries) for _ in range(windows))
            for server in (ours, bare)
        }
        for entries in (0, _LISTED)
    )
    sheet.figure(f"slowest NOOP in {seconds} s, nobody lists", "ms", **alone)
    sheet.figure(f"slowest NOOP in {seconds} s, another lists {_LISTED:,} files", "ms", **listed)
    sheet.ratio(f"listing_stall_vs_{_STALL_MS}_ms", _STALL_MS / listed[ours.name], target=1.0)


def _short_sessions(sheet: Sheet, ours: Server, bare: Server, *, quick: bool) -> None:
    sessions = 160 if quick else 800
    rates: dict[str, list[float]] = {server.name: [] for server in (ours, bare)}
    for server in (ours, bare):
        sessions_per_s(server, 4, 16, 10_240)  # the first login hashes the password
    for _ in range(3 if quick else 9):
        for server in (ours, bare):
            rates[server.name].append(sessions_per_s(server, 16, sessions, 10_240))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    sheet.figure("login + 10 KB upload + quit, 16 clients", "sessions/s", **medians)
    sheet.ratio("short_sessions_vs_bare_pyftpdlib", median_ratio(rates[ours.name], rates[bare.name]), target=0.8)
    clients = (1, 4, 16) if quick else (1, 4, 16, 64, 256)
    sheet.growth(
        "short sessions/s by clients", {n: sessions_per_s(ours, n, max(n, sessions // 2), 10_240) for n in clients}
    )


def _workers(sheet: Sheet, servers: dict[int, Server], *, quick: bool) -> None:
    """The clients share the machine's cores with the workers, so that this grows less than on a host of its own."""
    sessions = 160 if quick else 800
    found = {workers: [] for workers in servers}
    for server in servers.values():
        sessions_per_s(server, 16, 64, 10_240)  # the first login at each worker hashes the password
    for _ in range(3):
        for workers, server in servers.items():
            found[workers].append(sessions_per_s(server, 16, sessions, 10_240))
    medians = {workers: sorted(rates)[1] for workers, rates in found.items()}
    sheet.growth("short sessions/s, 16 clients, by workers", medians)
    sheet.ratio("short_sessions_of_2_workers_vs_1", medians[2] / medians[1])


if __name__ == "__main__":
    main()
