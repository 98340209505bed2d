"""How fast is the balancer against HAProxy's spliced TCP relay, ProFTPD's mod_proxy, and the node alone?

Streams, commands and idle sessions are measured before a node that costs nothing (bench.sink_node), short sessions
before a real ftpnode that publishes by itself.
"""

import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from bench.clients import command_ms, idle_cost, sessions_per_s, streams_mb_s
from bench.relays import NETWORK, balancer, haproxy, mod_proxy, sink_with_balancer
from bench.servers import Server, bench_in
from bench.sheet import Sheet

Measure = Callable[[Server], float]


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
def main(file: Path | None, *, quick: bool) -> None:
    """Streams plain and TLS, the spool's price, added latency, short sessions with 1 to 1,000 clients, idle ones."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="tripod-bench-", dir="/var/tmp") as temporary,
        bench_in(Path(temporary), NETWORK) as bench,
    ):
        folder = Path(temporary)
        node = bench.ftpnode()
        ours = balancer(bench, folder / "ours", f"{NETWORK}.10", "balancer", node.password)
        sink, spooled = sink_with_balancer(bench, f"{NETWORK}.20", spooled=True)
        _, unspooled = sink_with_balancer(bench, f"{NETWORK}.21", spooled=False)
        tcp = haproxy(bench, sink)
        before_node, before_sink = mod_proxy(bench, node, 1), mod_proxy(bench, sink, 2)
        if tcp is None:
            sheet.missing("HAProxy")
        if before_node is None or before_sink is None:
            sheet.missing("ProFTPD mod_proxy")
        _streams(sheet, folder, spooled, unspooled, tcp, quick=quick)
        _tls(sheet, folder, spooled, before_sink, quick=quick)
        _latency(sheet, sink, spooled, tcp, before_sink, quick=quick)
        _short_sessions(sheet, ours, node, before_node, quick=quick)
        _idle_sessions(sheet, spooled, quick=quick)
    sheet.show(file)


def _streams(
    sheet: Sheet, folder: Path, spooled: Server, unspooled: Server, tcp: Server | None, *, quick: bool
) -> None:
    for streams in (1, 8):
        # What one session may keep in the spool is 256 MiB; a longer stream would be relayed in part.
        content = _content(folder, (128 if quick else 256) // (1 if streams == 1 else 2 if quick else 1))
        for up in (True, False):
            servers = {"balancer": spooled, "without_spool": unspooled} if up else {"balancer": spooled}
            rates = _in_turn(
                servers | ({"haproxy": tcp} if tcp else {}),
                lambda server, up=up, content=content, streams=streams: streams_mb_s(server, content, streams, up=up),
                3 if quick else 7,
            )
            way = "up" if up else "down"
            sheet.figure(f"{streams} stream{'s' * (streams > 1)} {way}", "MB/s", **rates)
            if "haproxy" in rates:
                sheet.ratio(f"{way}_{streams}_vs_haproxy", rates["balancer"] / rates["haproxy"])
            if up:
                sheet.ratio(f"up_{streams}_spool_vs_without", rates["balancer"] / rates["without_spool"])
                if "haproxy" in rates:
                    sheet.ratio(f"up_{streams}_without_spool_vs_haproxy", rates["without_spool"] / rates["haproxy"])


def _tls(sheet: Sheet, folder: Path, ours: Server, peer: Server | None, *, quick: bool) -> None:
    content = _content(folder, 64 if quick else 256)
    for up in (True, False):
        rates = _in_turn(
            {"balancer": ours} | ({"mod_proxy": peer} if peer else {}),
            lambda server, up=up: streams_mb_s(server, content, 1, up=up, tls=True),
            3 if quick else 7,
        )
        way = "up" if up else "down"
        sheet.figure(f"1 stream {way}, TLS to the client", "MB/s", **rates)
        if peer:
            sheet.ratio(f"tls_{way}_vs_mod_proxy", rates["balancer"] / rates["mod_proxy"])


def _latency(sheet: Sheet, sink: Server, ours: Server, tcp: Server | None, peer: Server | None, *, quick: bool) -> None:
    servers = {"node_alone": sink, "balancer": ours} | _present(haproxy=tcp, mod_proxy=peer)
    times = _in_turn(servers, lambda server: command_ms(server, 300 if quick else 2000), 5)
    sheet.figure("one command there and back", "ms", **times)
    added = {name: time - times["node_alone"] for name, time in times.items() if name != "node_alone"}
    sheet.figure("added to a command", "ms", **added)


def _short_sessions(sheet: Sheet, ours: Server, node: Server, peer: Server | None, *, quick: bool) -> None:
    sessions = 160 if quick else 800
    for server in (node, ours):
        sessions_per_s(server, 4, 16, 10_240)  # the first login hashes the password
    rates = _in_turn(
        {"balancer": ours, "node_alone": node},
        lambda server: sessions_per_s(server, 16, sessions, 10_240),
        3 if quick else 5,
    )
    if peer is not None:
        # It is slow, and a run for every run of ours would take minutes.
        rates |= _in_turn({"mod_proxy": peer}, lambda server: sessions_per_s(server, 16, sessions // 5, 10_240), 3)
        sheet.ratio("short_sessions_vs_mod_proxy", rates["balancer"] / rates["mod_proxy"])
    sheet.figure("login + 10 KB upload + quit, 16 clients", "sessions/s", **rates)
    sheet.ratio("short_sessions_vs_node", rates["balancer"] / rates["node_alone"])
    clients = (1, 16, 256) if quick else (1, 4, 16, 64, 256, 1000)
    sheet.growth(
        "short sessions/s by clients", {n: sessions_per_s(ours, n, max(n, sessions // 2), 10_240) for n in clients}
    )


def _idle_sessions(sheet: Sheet, ours: Server, *, quick: bool) -> None:
    sessions = 1000 if quick else 5000
    memory_mb, core_percent = idle_cost(ours, sessions, 3 if quick else 20)
    sheet.figure(f"{sessions} idle sessions, memory", "MB", balancer=memory_mb)
    sheet.figure(f"{sessions} idle sessions, time", "% of a core", balancer=core_percent)


def _in_turn(servers: dict[str, Server], measure: Measure, runs: int) -> dict[str, float]:
    """The median of every server, measured in turn, so that a machine whose speed drifts treats all alike."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(runs):
        for name, server in servers.items():
            found[name].append(measure(server))
    return {name: statistics.median(values) for name, values in found.items()}


def _present(**servers: Server | None) -> dict[str, Server]:
    return {name: server for name, server in servers.items() if server is not None}


def _content(folder: Path, size_mib: int) -> Path:
    file = folder / "content"
    with Path("/dev/urandom").open("rb") as source, file.open("wb") as out:
        block = source.read(1 << 20)
        for _ in range(size_mib):
            out.write(block)
    return file


if __name__ == "__main__":
    main()
