"""pyftpdlib's own functional tests, of the version that we are built on, asked of our ftpnode and through the VIP."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.ftpnode.peers.adapter import HOME, PACKAGE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[3]
MODULES = ("test_functional.py", "test_functional_ssl.py")


@pytest.fixture
def source(request):
    """The source distribution of the installed version, which carries the tests; kept in pytest's cache."""
    version = importlib.metadata.version("pyftpdlib")
    folder = request.config.cache.mkdir("pyftpdlib")
    archive = folder / f"pyftpdlib-{version}.tar.gz"
    if not archive.exists():
        wanted = ["--no-deps", "--no-binary", "pyftpdlib", f"pyftpdlib=={version}"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", folder, *wanted]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            pytest.skip(f"the source distribution of pyftpdlib cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return archive


@pytest.fixture
def suite(source, tmp_path):
    """Their tests as a package in a folder of its own, and beside it the root of our ftpnodes."""
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    found = next((tmp_path / "source").glob("*/tests"), None)
    if found is None:
        pytest.skip(f"{source.name} carries no tests")
    (found / "conftest.py").unlink()  # looks for sockets and threads that their server left in their own process
    shutil.move(found, tmp_path / PACKAGE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "root" / HOME).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("adapter", ["tests.ftpnode.peers.adapter", "tests.balancer.peers.adapter"])
def test_their_functional_tests_pass_but_for_the_differences_that_we_chose(suite, adapter):
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
