"""Where histories run in tests: in programs of their own, with the one order of sets that makes them repeatable."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def prove():
    """Runs `python -m tests.replicator.simulation` with these arguments; its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.replicator.simulation", *arguments],
            env=os.environ | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run
