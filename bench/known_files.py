"""What do many files cost one replicator that knows them: a first start, a start, memory, and CPU at rest?"""

import subprocess
import threading
from pathlib import Path

from bench.pairs import Bench, say, wait
from bench.processes import cpu_s, end, memory_mb
from bench.sheet import Sheet
from cluster.clock import monotonic_s

_FOLDER_FILES = 200
_WINDOW_S = 1.0
_WINDOWS = 300
_QUIET_WINDOWS = 5
_QUIET_S = 0.05
_OURS = "Tripod, watching"


def known_files(sheet: Sheet, bench: Bench, counts: tuple[int, ...], start_count: int, idle_s: float) -> None:
    """One node alone, for each of the counts; memory and rest with the most files, the start with `start_count`."""
    firsts, starts = {}, {}
    for number, count in enumerate(counts):
        network, name = f"127.77.{20 + number}", f"known-{count}"
        folder, (address,) = bench.cluster(name, 1, network)
        _write_files(folder / "node1/root", count)
        firsts[count], process = _started(bench, folder, address, f"first start on {count:,} files")
        end(process)
        starts[count], process = _started(bench, folder, address, f"start on {count:,} known files")
        if count == counts[-1]:
            idle = _idle_percent(bench, process, address, idle_s)
            used_mb = memory_mb([process.pid])
            sheet.figure(f"memory, {count:,} files", "MB", **{_OURS: used_mb})
            sheet.ratio(f"memory_of_{count}_files_vs_250_mb", 250 / used_mb, 1)
            sheet.figure(f"idle, {count:,} files, alone", "% of a core", **{_OURS: idle})
            sheet.ratio(f"idle_of_{count}_files_vs_1_percent", 1 / max(idle, 0.1), 1)
        end(process)
    sheet.figure(f"first start on {start_count:,} files", "s", **{_OURS: firsts[start_count]})
    sheet.figure(f"start on {start_count:,} known files", "s", **{_OURS: starts[start_count]})
    sheet.ratio(f"start_on_{start_count}_files_vs_5_s", 5 / starts[start_count], 1)
    sheet.growth("first start in s by files that stand there", firsts)
    sheet.growth("start in s by known files", starts)


def idle_of_pair(
    sheet: Sheet, bench: Bench, processes: tuple[subprocess.Popen, ...], address: str, idle_s: float
) -> None:
    """The first of two nodes that nobody writes to any more: they still look after one another."""
    idle = _idle_percent(bench, processes[0], address, idle_s)
    sheet.figure("idle, beside a peer", "% of a core", **{_OURS: idle})
    sheet.ratio("idle_vs_1_percent", 1 / max(idle, 0.1), 1)


def _write_files(root: Path, count: int) -> None:
    """Small files, all different, on the disk: what the kernel still writes of them would be charged to the start."""
    say(f"writing {count:,} files")
    for number in range(count):
        folder = root / f"d{number // _FOLDER_FILES}"
        if number % _FOLDER_FILES == 0:
            folder.mkdir(parents=True)
        (folder / f"f{number}").write_bytes(b"%d" % number)
    subprocess.run(["sync", "--file-system", str(root)], check=True)


def _started(bench: Bench, folder: Path, address: str, what: str) -> tuple[float, subprocess.Popen]:
    """How long a start takes, until the node serves; a first start has then taken in all that stands there."""
    begin_s = monotonic_s()
    process = bench.node(folder, "node1")
    bench.wait_ready(address, 0)
    took_s = monotonic_s() - begin_s
    say(f"{what}: {took_s:.1f} s")
    return took_s, process


def _idle_percent(bench: Bench, process: subprocess.Popen, address: str, idle_s: float) -> float:
    """CPU at rest: once nothing is wanted and the first scan is over, which takes far more in each window.

    What never ends is in it: the scrub, which reads every file again in the days that are set, canaries, pings.
    """
    wait(lambda: _is_settled(bench.health(address)), f"the node at {address} has settled", 300.0, 0.2)
    quiet = 0
    for _ in range(_WINDOWS):
        quiet = quiet + 1 if _cpu_within(process, _WINDOW_S) < _QUIET_S else 0
        if quiet == _QUIET_WINDOWS:
            break
    percent = _cpu_within(process, idle_s) / idle_s * 100
    say(f"idle: {percent:.2f} % of a core")
    return percent


def _is_settled(health: dict | None) -> bool:
    return bool(health and health["watching"] and not health["why_blind"] and not health["wanted_files"])


def _cpu_within(process: subprocess.Popen, seconds: float) -> float:
    used_s = cpu_s([process.pid])
    threading.Event().wait(seconds)
    return cpu_s([process.pid]) - used_s
