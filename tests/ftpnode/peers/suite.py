"""Runs pyftpdlib's own functional tests, of the version that we are built on, with one of our adapters."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.ftpnode.peers.adapter import HOME, PACKAGE

REPOSITORY = Path(__file__).parents[3]
MODULES = ("test_functional.py", "test_functional_ssl.py")


def their_tests_pass(cache: pytest.Cache, folder: Path, adapter: str) -> None:
    """Run their tests in `folder` against what `adapter` starts; an AssertionError with what they print otherwise."""
    suite = _unpacked(_source(cache), folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    options = ["-p", adapter, "-p", "no:cacheprovider", "-q", "-rfEX", "--tb=short"]
    options += ["--rootdir", suite, "-c", suite / "pytest.ini", "-W", "ignore", "--timeout", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(suite / PACKAGE / module for module in MODULES)],
        env=inherited | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{suite}"},
        cwd=suite / "root" / HOME,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 100, done.stdout


def _source(cache: pytest.Cache) -> Path:
    """The source distribution of the installed version, which carries the tests; kept in pytest's cache."""
    version = importlib.metadata.version("pyftpdlib")
    kept = cache.mkdir("pyftpdlib")
    archive = kept / f"pyftpdlib-{version}.tar.gz"
    if not archive.exists():
        wanted = ["--no-deps", "--no-binary", "pyftpdlib", f"pyftpdlib=={version}"]
        with tempfile.TemporaryDirectory(dir=kept) as arriving:  # another worker may be fetching it, too
            command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", arriving]
            done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=180, check=False)
            if done.returncode:
                why = done.stderr.strip().splitlines()[-1]
                pytest.skip(f"the source distribution of pyftpdlib cannot be had: {why}")
            (Path(arriving) / archive.name).replace(archive)
    return archive


def _unpacked(source: Path, folder: Path) -> Path:
    """Their tests as a package in a folder of its own, and beside it the root of our ftpnodes."""
    with tarfile.open(source) as archive:
        archive.extractall(folder / "source", filter="data")
    found = next((folder / "source").glob("*/tests"), None)
    if found is None:
        pytest.skip(f"{source.name} carries no tests")
    (found / "conftest.py").unlink()  # looks for sockets and threads that their server left in their own process
    shutil.move(found, folder / PACKAGE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "root" / HOME).mkdir(parents=True)
    return folder
