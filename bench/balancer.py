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

from bench.clients import command_ms, idle_cost, patient_sessions_per_s, sessions_per_s, streams_mb_s
from bench.relays import (
    NETWORK,
    haproxy,
    haproxy_version,
    mod_proxy,
    node_with_balancers,
    proftpd_version,
    sink_with_balancer,
)
from bench.servers import Server, bench_in
from bench.sheet import Sheet, median_ratio

Measure = Callable[[Server], float]

_ADDED_MS = 0.5
_IDLE_MB = 200
_IDLE_PERCENT = 3
_WHOLE_LOADS = [("1_stream", 1, 256), ("8_streams", 8, 48), ("8_streams_beyond_memory", 8, 256)]


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Put it into the balancer section here.")
def main(file: Path | None, page: Path | None, *, quick: bool) -> None:
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
        ours, under_tls = node_with_balancers(bench, node)
        sink, spooled = sink_with_balancer(bench, f"{NETWORK}.20", spooled=True)
        _, unspooled = sink_with_balancer(bench, f"{NETWORK}.21", spooled=False)
        tcp = haproxy(bench, sink)
        before_node, before_sink = mod_proxy(bench, node, 1), mod_proxy(bench, sink, 2)
        if tcp is None:
            sheet.missing("HAProxy")
        if before_node is None or before_sink is None:
            sheet.missing("ProFTPD mod_proxy")
        _idle_sessions(sheet, spooled, quick=quick)  # first: what transfers leave in the heap would hide its price
        _streams(sheet, folder, spooled, unspooled, tcp, quick=quick)
        _tls(sheet, folder, spooled, before_sink, quick=quick)
        _latency(sheet, sink, spooled, tcp, before_sink, quick=quick)
        _short_sessions(sheet, ours, under_tls, node, before_node, quick=quick)
    sheet.show(file)
    if page is not None:
        versions = {
            "HAProxy": haproxy_version() if tcp else "missing",
            "ProFTPD": proftpd_version() if before_node else "missing",
        }
        sheet.write_section(page, "balancer", versions, quick=quick)


def _streams(
    sheet: Sheet, folder: Path, spooled: Server, unspooled: Server, tcp: Server | None, *, quick: bool
) -> None:
    # Eight of 48 MiB lie in the spool's memory (512 MiB by default), eight of 256 MiB in part in its files; one session
    # may keep 256 MiB, and a longer stream would be relayed in part.
    loads = [("1_stream", 1, 128), ("8_streams", 8, 24)] if quick else _WHOLE_LOADS
    for name, streams, size_mib in loads:
        content = _content(folder, size_mib)
        for up in (True, False) if name in {"1_stream", "8_streams"} else (True,):
            servers = {"balancer": spooled} | ({"without_spool": unspooled} if up else {}) | _present(haproxy=tcp)
            rates = _in_turn(
                servers,
                lambda server, up=up, content=content, streams=streams: streams_mb_s(server, content, streams, up=up),
                3 if quick else 7,
            )
            way = "up" if up else "down"
            _figure(sheet, f"{streams} stream{'s' * (streams > 1)} of {size_mib} MiB {way}", "MB/s", rates)
            if tcp:
                sheet.ratio(f"{name}_{way}_vs_haproxy", median_ratio(rates["balancer"], rates["haproxy"]), target=1.0)
            if up:
                ratio = median_ratio(rates["balancer"], rates["without_spool"])
                sheet.ratio(f"{name}_up_vs_no_spool", ratio, target=0.8)


def _tls(sheet: Sheet, folder: Path, ours: Server, peer: Server | None, *, quick: bool) -> None:
    content = _content(folder, 64 if quick else 256)
    for way, up in (("up", True), ("down", False)):
        rates = _in_turn(
            {"balancer": ours} | _present(mod_proxy=peer),
            lambda server, up=up: streams_mb_s(server, content, 1, up=up, tls=True),
            3 if quick else 7,
        )
        _figure(sheet, f"1 stream {way}, TLS to the client", "MB/s", rates)
        if peer:
            sheet.ratio(f"tls_{way}_vs_mod_proxy", median_ratio(rates["balancer"], rates["mod_proxy"]), target=1.0)


def _latency(sheet: Sheet, sink: Server, ours: Server, tcp: Server | None, peer: Server | None, *, quick: bool) -> None:
    servers = {"balancer": ours} | _present(haproxy=tcp, mod_proxy=peer) | {"node_alone": sink}
    times = _in_turn(servers, lambda server: command_ms(server, 300 if quick else 2000), 5)
    _figure(sheet, "one command there and back", "ms", times)
    added_ms = statistics.median(
        ours_ms - alone_ms for ours_ms, alone_ms in zip(times["balancer"], times["node_alone"], strict=True)
    )
    sheet.ratio(f"added_to_a_command_vs_{_ADDED_MS}_ms", _ADDED_MS / max(added_ms, 0.001), target=1.0)


def _short_sessions(
    sheet: Sheet, ours: Server, under_tls: Server, node: Server, peer: Server | None, *, quick: bool
) -> None:
    sessions = 160 if quick else 800
    for server in (node, ours, under_tls):
        sessions_per_s(server, 4, 16, 10_240)  # the first login hashes the password
    rates = _in_turn(
        {"balancer": ours, "TLS_to_node": under_tls, "node_alone": node},
        lambda server: sessions_per_s(server, 16, sessions, 10_240),
        3 if quick else 9,
    )
    again = None
    if peer is not None:
        # It is slow, and a run for every run of ours would take minutes.
        runs = [patient_sessions_per_s(peer, 16, sessions // 5, 10_240) for _ in range(1 if quick else 3)]
        rates["mod_proxy"] = [rate for rate, _ in runs]
        again = sum(failed for _, failed in runs) / (len(runs) * (sessions // 5)) * 100
        ours_rate, its_rate = (statistics.median(rates[name]) for name in ("balancer", "mod_proxy"))
        sheet.ratio("short_sessions_vs_mod_proxy", ours_rate / its_rate, target=15.0)
    _figure(sheet, "login + 10 KB upload + quit, 16 clients", "sessions/s", rates)
    if again is not None:
        # Its processes share an SQLite table; some end before they greet when many start at once.
        sheet.figure("of them turned away, and tried again", "%", balancer=0.0, node_alone=0.0, mod_proxy=again)
    sheet.ratio("short_sessions_vs_node", median_ratio(rates["balancer"], rates["node_alone"]), target=0.5)
    sheet.ratio("short_sessions_with_tls_to_the_node_vs_node", median_ratio(rates["TLS_to_node"], rates["node_alone"]))
    clients = (1, 16, 256) if quick else (1, 4, 16, 64, 256, 1000)
    sheet.growth(
        "short sessions/s by clients", {n: sessions_per_s(ours, n, max(n, sessions // 2), 10_240) for n in clients}
    )


def _idle_sessions(sheet: Sheet, ours: Server, *, quick: bool) -> None:
    sessions = 1000 if quick else 5000
    memory_mb, percent = idle_cost(ours, sessions, 3 if quick else 20)
    sheet.figure(f"memory of {sessions} idle sessions", "MB", balancer=memory_mb)
    sheet.figure(f"{sessions} idle sessions", "% of a core", balancer=percent)
    share = sessions / 5000
    sheet.ratio(f"idle_memory_vs_{_IDLE_MB}_mb_for_5000", _IDLE_MB * share / max(memory_mb, 0.1), target=1.0)
    # Probing the nodes costs the same however many sessions there are, so its share is not scaled.
    sheet.ratio(f"idle_cpu_vs_{_IDLE_PERCENT}_percent", _IDLE_PERCENT / max(percent, 0.1), target=1.0)


def _in_turn(servers: dict[str, Server], measure: Measure, runs: int) -> dict[str, list[float]]:
    """Every server, measured in turn, so that a machine whose speed drifts treats all alike."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(runs):
        for name, server in servers.items():
            found[name].append(measure(server))
    return found


def _figure(sheet: Sheet, what: str, unit: str, found: dict[str, list[float]]) -> None:
    sheet.figure(what, unit, **{name: statistics.median(values) for name, values in found.items()})


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
