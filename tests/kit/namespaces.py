"""Hosts of a test's own: network namespaces of this machine, joined by cables and switches."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class Host:
    """One of them."""

    def __init__(self, name: str) -> None:
        self.name = f"tripod-{os.getpid()}-{name}"

    def inside(self, *command: object) -> list[str]:
        """The words that run a command there."""
        return ["ip", "netns", "exec", self.name, *(str(word) for word in command)]

    def run(self, *command: object) -> str:
        """What a command said there, on both of its outputs; it must succeed."""
        done = subprocess.run(
            self.inside(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{command}: {said}"
        return said

    def ip(self, words: str) -> None:
        """`ip` with these words."""
        self.run("ip", *words.split())

    def start(self, *command: object, log: Path) -> "subprocess.Popen[bytes]":
        """A command that runs on there; its output is appended to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(self.inside(*command), stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def cable(self, name: str, other: "Host", its_name: str) -> None:
        """Join two hosts."""
        self.ip(f"link add {name} type veth peer name {its_name} netns {other.name}")
        self.ip(f"link set dev {name} up")
        other.ip(f"link set dev {its_name} up")


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Hosts without any network but loopback. Skips where this machine lets nobody make them."""
    if shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("ip or nft is not installed; see tests/needs")
    made = [Host(name) for name in names]
    with contextlib.ExitStack() as stack:
        for host in made:
            added = subprocess.run(["ip", "netns", "add", host.name], capture_output=True, text=True, check=False)
            if added.returncode != 0:
                pytest.skip(f"no network namespaces here: {added.stderr.strip()}")
            stack.callback(subprocess.run, ["ip", "netns", "delete", host.name], check=True)
            host.ip("link set lo up")
        yield made
