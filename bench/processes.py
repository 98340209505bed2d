"""Ends the processes that a bench started, and says what they cost."""

import subprocess
from collections.abc import Iterable
from pathlib import Path


def end(process: subprocess.Popen) -> None:
    """End a process and wait for it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def memory_mb(pids: Iterable[int]) -> float:
    """Resident memory of all of them; 10^6 bytes."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * 4096 / 1e6


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of all of them so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / 100
