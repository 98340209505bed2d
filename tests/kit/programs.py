"""Runs the real FTP clients of the host, as a person at a shell would."""

import shutil
import subprocess
from pathlib import Path

import pytest


def run(*command: object, folder: Path | None = None, given: str = "") -> str:
    """What the program said, on both of its outputs; it must succeed. Skips the test where the program is missing."""
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed; see tests/needs")
    done = subprocess.run(
        words,
        input=given.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        cwd=folder,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    return said
