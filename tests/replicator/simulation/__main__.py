"""Proves: runs many histories on all cores, says how many and how fast, and shows every failure shrunk.

python -m tests.replicator.simulation --histories 100000
python -m tests.replicator.simulation --seed 4711        one history, told step by step
python -m tests.replicator.simulation --clocks           histories in which all clocks run ahead
"""

import argparse
import functools
import multiprocessing
import os
import sys
import time

from tests.replicator.simulation.history import clocks_run_ahead, random_history
from tests.replicator.simulation.judge import BrokenPromiseError
from tests.replicator.simulation.shrink import broken_promise, shrunk
from tests.replicator.simulation.world import run

BATCH = 20
MOST_SHOWN = 5


def failing(history_of, seeds: range) -> list[tuple[int, str]]:
    """The seeds that break something, and what."""
    found = []
    for seed in seeds:
        what = broken_promise(history_of(seed))
        if what:
            found.append((seed, what))
    return found


def prove(history_of, first: int, count: int, processes: int) -> int:
    """Run the histories of that many seeds; how many failed."""
    batches = [range(start, min(start + BATCH, first + count)) for start in range(first, first + count, BATCH)]
    started_s, done, failures = time.perf_counter(), 0, []
    told_s = started_s
    with multiprocessing.Pool(processes) as pool:
        for position, found in enumerate(pool.imap(functools.partial(failing, history_of), batches)):
            done += len(batches[position])
            for seed, what in found:
                failures.append(seed)
                print(f"seed {seed}: {what}", flush=True)
            if time.perf_counter() - told_s > 10:
                told_s = time.perf_counter()
                print(f"… {done} of {count} histories, {len(failures)} failed", flush=True)
        elapsed_s = time.perf_counter() - started_s
        for seed, history in zip(failures, pool.map(shrunk, map(history_of, failures[:MOST_SHOWN])), strict=False):
            print(f"\nseed {seed}, shrunk: {broken_promise(history)}\n{history.lines()}")
    print(
        f"{done} histories (seeds {first} to {first + done - 1}) in {elapsed_s:.1f} s, {done / elapsed_s:.1f} a second"
    )
    print(f"{len(failures)} failed")
    return len(failures)


def tell(history, *, shrink: bool) -> int:
    """One history, step by step."""
    if shrink and broken_promise(history):
        history = shrunk(history)
    print(history.lines())
    try:
        run(history, print)
    except BrokenPromiseError as error:
        print(f"broken: {error}")
        return 1
    return 0


def main() -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of strings are walked in the order of their hashes
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.replicator.simulation", *sys.argv[1:]])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, help="tell this one history")
    parser.add_argument("--shrink", action="store_true", help="with --seed: shrink it first, if it fails")
    parser.add_argument("--clocks", action="store_true", help="histories in which all clocks run ahead, and jump often")
    asked = parser.parse_args()
    history_of = clocks_run_ahead if asked.clocks else random_history
    if asked.seed is not None:
        return tell(history_of(asked.seed), shrink=asked.shrink)
    return min(1, prove(history_of, asked.first, asked.histories, asked.processes))


if __name__ == "__main__":
    sys.exit(main())
