"""Runs one invocation of a client, as a person at a shell would."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest


def run(words: Iterable[object], here: Path) -> tuple[int, str]:
    """The exit status, and what it wrote on both of its outputs. Skips the test where there is no such program."""
    command = [str(word) for word in words]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; see tests/needs")
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=40,
        cwd=here,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")
