"""How fast do two folders become alike, on a durable disk with fsync on: ours, Syncthing, lsyncd and rsync?"""

import os
import shutil
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from bench.known_files import idle_of_pair, known_files
from bench.pairs import GIGABIT_BYTES_PER_S, NETWORK, Bench, Notified, Pair, bench_in, say, wait
from bench.processes import end
from bench.sheet import Sheet
from cluster.clock import monotonic_s

_CLIENTS = 40  # as many as the network has stations


@click.command()
@click.option("--quick", is_flag=True, help="Smaller, within 45 s.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what was found here.")
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Put it into the replicator section here.")
def main(file: Path | None, page: Path | None, *, quick: bool) -> None:
    """One file, many small files, a large file, a changed file; acknowledgements; a start on many known files."""
    sheet = Sheet()
    with (
        tempfile.TemporaryDirectory(prefix="tripod-bench-", dir="/var/tmp") as temporary,
        bench_in(Path(temporary)) as bench,
    ):
        watching, told = bench.ours()
        peers = {"Syncthing": bench.syncthing(), "lsyncd": bench.lsyncd(), "rsync": bench.rsync()}
        for name, peer in peers.items():
            if peer is None:
                sheet.missing(name)
        pairs = [told, watching, *(peer for peer in peers.values() if peer is not None)]
        say("one file")
        _one_file(sheet, pairs, 3 if quick else 30)
        say("many small files")
        _small_files(sheet, pairs, 200 if quick else 2000)
        say("a large file, and a change of it")
        _large_file(sheet, pairs, (32 if quick else 500) * 10**6)
        say("acknowledgements")
        _acknowledgement(sheet, told, (20 if quick else 100) * 10**6)
        for pair in pairs[2:]:
            for process in pair.processes:
                end(process)
        idle_of_pair(sheet, bench, told.processes, f"{NETWORK}.11", 2 if quick else 20)
        for process in told.processes:
            end(process)
        counts = (1_000,) if quick else (1_000, 10_000, 100_000, 200_000)
        known_files(sheet, bench, counts, 1_000 if quick else 100_000, 2 if quick else 20)
        say("more nodes")
        _more_nodes(sheet, bench, (2, 3) if quick else (2, 3, 5), 100 if quick else 1000)
    sheet.show(file)
    if page is not None:
        versions = {name: _version_of(name) for name in ("syncthing", "lsyncd", "rsync")}
        sheet.write_section(page, "replicator", versions, quick=quick)


def _version_of(program: str) -> str:
    if shutil.which(program) is None:
        return "missing"
    found = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout
    return next((word.lstrip("v") for word in found.split() if word.lstrip("v")[:1].isdigit()), "unknown")


def _one_file(sheet: Sheet, pairs: list[Pair], runs: int) -> None:
    """From the moment a 100 KB file is closed to the moment it is whole on the other side."""
    found = {pair.name: [] for pair in pairs}
    for run in range(runs):
        for pair in pairs:
            name, content = f"{pair.word}-one-{run}", os.urandom(100_000)
            if isinstance(pair, Notified):
                staged = pair.stage(content)
                begin_s = monotonic_s()
                pair.publish(name, staged)
            else:
                pair.put(name, content)
                begin_s = monotonic_s()
            _wait_for(pair, name, len(content))
            found[pair.name].append((monotonic_s() - begin_s) * 1e3)
    medians = {name: statistics.median(values) for name, values in found.items()}
    sheet.figure("close to visible, 100 KB", "ms", **medians)
    _ratios(sheet, "close_to_visible", {name: 1 / value for name, value in medians.items()})
    for name in ("told", "watching"):
        sheet.ratio(f"close_to_visible_{name}_vs_30_ms", 30 / medians[f"Tripod, {name}"], 1)


def _small_files(sheet: Sheet, pairs: list[Pair], count: int) -> None:
    """From the first file to all of them, 4 KB each."""
    rates = {pair.name: count / _timed_small(pair, count) for pair in pairs}
    sheet.figure(f"{count:,} files of 4 KB", "files/s", **rates)
    wanted = {"small_files_told_vs_syncthing": 5, "small_files_watching_vs_syncthing": 5}
    _ratios(sheet, "small_files", rates, wanted)


def _timed_small(pair: Pair, count: int) -> float:
    contents, prefix = [os.urandom(4096) for _ in range(count)], f"{pair.word}-small-"
    begin_s = monotonic_s()
    if isinstance(pair, Notified):
        with ThreadPoolExecutor(_CLIENTS) as clients:
            for _ in clients.map(pair.put, (f"{prefix}{number}" for number in range(count)), contents):
                pass
    else:
        for number, content in enumerate(contents):
            pair.put(f"{prefix}{number}", content)
    pair.settle()

    def all_there() -> bool:
        return sum(entry.name.startswith(prefix) for entry in os.scandir(pair.target)) >= count

    wait(all_there, f"{pair.name} has {count} small files", 600.0, 0.02)
    return monotonic_s() - begin_s


def _large_file(sheet: Sheet, pairs: list[Pair], size_bytes: int) -> None:
    """One large file, and then 1 MB changed in its middle."""
    rates, sent = {}, {}
    content = os.urandom(size_bytes)
    for pair in pairs:
        begin_s = monotonic_s()
        pair.put(f"{pair.word}-large", content)
        _wait_for(pair, f"{pair.word}-large", size_bytes)
        rates[pair.name] = size_bytes / 1e6 / (monotonic_s() - begin_s)
        sent[pair.name] = _sent_for_a_change(pair, content)
    sheet.figure(f"one file of {size_bytes / 1e6:g} MB", "MB/s", **rates)
    wanted = {"large_file_told_vs_syncthing": 2, "large_file_watching_vs_syncthing": 2}
    _ratios(sheet, "large_file", rates, wanted)
    known = {name: value for name, value in sent.items() if value is not None}
    sheet.figure("1 MB of it changed: sent", "MB", **known)
    sheet.ratio("sent_for_a_change_vs_4_mb", 4 / known["Tripod, told"], 1)


def _sent_for_a_change(pair: Pair, content: bytes) -> float | None:
    before_mb = pair.sent_mb()
    middle = len(content) // 2
    changed = content[:middle] + os.urandom(10**6) + content[middle + 10**6 :]
    pair.put(f"{pair.word}-large", changed)
    pair.settle()

    def is_there() -> bool:
        try:
            with (pair.target / f"{pair.word}-large").open("rb") as file:
                return os.pread(file.fileno(), 10**6, middle) == changed[middle : middle + 10**6]
        except FileNotFoundError:  # Syncthing removes the old file before it renames the new one
            return False

    wait(is_there, f"{pair.name} has the change", 300.0, 0.05)
    after_mb = pair.sent_mb()
    return None if before_mb is None or after_mb is None else after_mb - before_mb


def _acknowledgement(sheet: Sheet, told: Notified, size_bytes: int) -> None:
    """How long a client waits for 226 after its last byte: of a large file that came with 1 Gbit/s, and of a small one.

    And of a large one that replaces another, with nothing in common.

    Sealing it on this disk is in it, too.
    """

    def waited_ms(size: int, run: int) -> float:
        return told.receive(f"ack-{size}-{run}", os.urandom(size), GIGABIT_BYTES_PER_S) * 1e3

    large = statistics.median(waited_ms(size_bytes, run) for run in range(3))
    replacing = statistics.median(waited_ms(size_bytes, run) for run in range(3))
    small = statistics.median(waited_ms(100_000, run) for run in range(9))
    sheet.figure(f"wait for the acknowledgement, {size_bytes / 1e6:g} MB", "ms", **{told.name: large})
    sheet.figure(f"wait for it, {size_bytes / 1e6:g} MB that replace others", "ms", **{told.name: replacing})
    sheet.figure("wait for the acknowledgement, 100 KB", "ms", **{told.name: small})
    sheet.ratio("acknowledgement_of_a_large_file_vs_50_ms_more", 50 / max(large - small, 0.1), 1)
    sheet.ratio("acknowledgement_of_a_replaced_file_vs_50_ms_more", 50 / max(replacing - small, 0.1), 1)


def _more_nodes(sheet: Sheet, bench: Bench, nodes: tuple[int, ...], count: int) -> None:
    """Small files a second that every node of 2, 3, 5 holds before the acknowledgement."""
    rates = {}
    for number in nodes:
        _, told = bench.ours(number, f"nodes-{number}", f"127.77.{30 + number}")
        rates[number] = count / _timed_small(told, count)
        for process in told.processes:
            end(process)
    sheet.growth("files of 4 KB a second, held by all, by nodes", rates)


def _wait_for(pair: Pair, name: str, size_bytes: int) -> None:
    pair.settle()

    def is_there() -> bool:
        try:
            return (pair.target / name).stat().st_size == size_bytes
        except FileNotFoundError:
            return False

    wait(is_there, f"{pair.name} has {name}", 300.0)


def _ratios(sheet: Sheet, what: str, rates: dict[str, float], targets: dict[str, float] | None = None) -> None:
    for mine in ("Tripod, told", "Tripod, watching"):
        for name, rate in rates.items():
            if not name.startswith("Tripod"):
                word = mine.rpartition(" ")[2]
                ratio = f"{what}_{word}_vs_{name.lower()}"
                sheet.ratio(ratio, rates[mine] / rate, (targets or {}).get(ratio))


if __name__ == "__main__":
    main()
