"""The README's own lines, run as a reader would type them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.cluster_folder import free_network
from tests.kit.page import shell_lines

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

PROJECT = Path(__file__).parents[2]
LINES = shell_lines(PROJECT / "README.md")


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, timeout=280, check=False)


def test_the_readme_has_the_lines_that_are_tested_here() -> None:
    assert LINES == [
        "make lab",
        "make test",
        'make lab ARGS="--stations 40 --seconds 60 --chaos --report report.json"',
        ".venv/bin/tripod init my-cluster",
        ".venv/bin/tripod check my-cluster/cluster.yaml",
    ]


def test_init_and_check_work_as_written(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("readme")
    for line in LINES[3:]:
        done = run(line.replace(".venv/bin/tripod", f"{sys.executable} -m compose"), folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lab_runs_the_lab_with_its_options(tmp_path: Path) -> None:
    """The line with 40 stations for 60 s, smaller; the options are those of the line."""
    options = f"--stations 4 --seconds 8 --chaos --report {tmp_path}/report.json --network {free_network()}"
    done = run(f'make lab PYTHON={sys.executable} ARGS="{options}"', PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "report.json").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_test_runs_every_test() -> None:
    shown = run("make -n test", PROJECT)
    assert ".venv/bin/pytest" in shown.stdout
    assert "tests/" not in shown.stdout.replace("tests/needs", ""), "no folder is left out"
