"""How fast is one ftpnode, with durable publishing on, against vsftpd and bare pyftpdlib (both without)?"""

import tempfile
from pathlib import Path

import click

from bench.clients import download_mb_s, idle_cost, sessions_per_s, upload_mb_s
from bench.servers import Server, bench_in
from bench.sheet import Sheet, median


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
def main(file: Path | None, *, quick: bool) -> None:
    """One stream up and down, plain and TLS; short sessions with 1 to 256 clients."""
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="tripod-bench-", dir="/var/tmp") as temporary,
        bench_in(Path(temporary)) as bench,
    ):
        ours, bare, bare_tls, vsftpd = bench.ftpnode(), bench.bare(), bench.bare(tls=True), bench.vsftpd()
        if vsftpd is None:
            sheet.missing("vsftpd")
        _streams(sheet, Path(temporary), ours, bare, vsftpd, quick=quick, tls=False)
        _streams(sheet, Path(temporary), ours, bare_tls, vsftpd, quick=quick, tls=True)
        _idle_sessions(sheet, ours, bare, quick=quick)
        _short_sessions(sheet, ours, bare, quick=quick)
        _workers(sheet, {1: ours, 2: bench.ftpnode(workers=2), 4: bench.ftpnode(workers=4)}, quick=quick)
    sheet.show(file)


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
    kind, runs = ("TLS" if tls else "plain"), 3
    # In turn, so that a machine whose speed drifts treats all alike.
    up = {server.name: [] for server in servers}
    down = {server.name: [] for server in servers}
    for _ in range(runs):
        for server in servers:
            up[server.name].append(upload_mb_s(server, content, tls=tls))
            down[server.name].append(download_mb_s(server, size_bytes, tls=tls))
    for way, found in (("upload", up), ("download", down)):
        medians = {name: sorted(values)[len(values) // 2] for name, values in found.items()}
        sheet.figure(f"{way} {size_bytes >> 20} MiB, {kind}", "MB/s", **medians)
        for peer in servers[1:]:
            sheet.ratio(
                f"{way}_{kind.lower()}_vs_{peer.name.replace(' ', '_')}", medians[ours.name] / medians[peer.name]
            )


def _idle_sessions(sheet: Sheet, ours: Server, bare: Server, *, quick: bool) -> None:
    sessions = 100 if quick else 1000
    costs = {server.name: idle_cost(server, sessions, 2 if quick else 10) for server in (ours, bare)}
    sheet.figure(f"memory of {sessions} idle sessions", "MB", **{name: cost[0] for name, cost in costs.items()})
    sheet.figure(f"{sessions} idle sessions", "% of a core", **{name: cost[1] for name, cost in costs.items()})


def _short_sessions(sheet: Sheet, ours: Server, bare: Server, *, quick: bool) -> None:
    sessions = 160 if quick else 800
    rates = {}
    for server in (ours, bare):
        sessions_per_s(server, 4, 16, 10_240)  # the first login hashes the password
        rates[server.name] = median(lambda server=server: sessions_per_s(server, 16, sessions, 10_240), 3)
    sheet.figure("login + 10 KB upload + quit, 16 clients", "sessions/s", **rates)
    sheet.ratio("short_sessions_vs_bare_pyftpdlib", rates[ours.name] / rates[bare.name])
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
