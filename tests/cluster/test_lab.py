"""The lab as a user starts it: it ends by itself, writes its report, and its exit status says whether all was kept."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from compose.lab.report import Report
from tests.kit.cluster_folder import free_network
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "compose", "lab", "--network", free_network(), *arguments]


def test_stations_push_parts_are_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    file, kept = tmp_path / "report.json", tmp_path / "kept"
    options = ["--stations", "8", "--seconds", "25", "--chaos", "all", "--hour-seconds", "4"]
    done = subprocess.run(
        command(*options, "--report", str(file), "--keep", str(kept)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    raw = json.loads(file.read_text())
    assert set(raw["uploads"]) == {"started", "acknowledged", "client_errors", "lost"}
    assert set(raw["downloads"]) == {"finished", "client_errors", "corrupt"}
    assert set(raw["idle_sessions"]) == {"opened", "answered", "client_errors"}
    report = msgspec.convert(raw, Report)
    assert report.uploads.acknowledged > 20
    assert report.uploads.lost == report.downloads.corrupt == 0
    assert report.nodes_identical
    assert len(report.faults) >= 2
    assert report.unexplained_errors == 0
    for log in (kept / "logs").iterdir():
        assert "Traceback" not in log.read_text(), log.name


def test_ctrl_c_ends_it_cleanly_with_a_summary() -> None:
    running = subprocess.Popen(
        command("--stations", "3", "--seconds", "600"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert running.stdout is not None
    seen: list[str] = []
    until(lambda: seen.append(running.stdout.readline()) or "running" in seen[-1], "the clients push")
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=120)
    assert running.returncode == 0, rest
    assert "nodes identical" in rest
    assert "Traceback" not in rest


def test_a_second_lab_on_the_same_addresses_is_one_clear_line() -> None:
    mine = command("--stations", "1", "--seconds", "600")
    running = subprocess.Popen(mine, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert running.stdout is not None
    try:
        seen: list[str] = []
        until(lambda: seen.append(running.stdout.readline()) or "running" in seen[-1], "the clients push")
        second = subprocess.run(mine, capture_output=True, text=True, timeout=60, check=False)
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=120)
    assert second.returncode == 1
    assert second.stderr.startswith("compose: another cluster runs on ")
    assert second.stderr.count("\n") == 1


def test_a_file_that_disappears_behind_the_clusters_back_is_reported_and_the_status_is_1(tmp_path: Path) -> None:
    """The judge itself must be able to fail: spoil a kept run, then judge it as the lab does."""
    from compose.lab.report import judge
    from compose.lab.tree import read_tree
    from stations.journal import What, read_journal
    from stations.ledger import percentiles

    kept = tmp_path / "kept"
    subprocess.run(command("--stations", "2", "--seconds", "3", "--keep", str(kept)), capture_output=True, check=True)
    events = read_journal(kept / "journal.jsonl")
    path = next(event.path for event in events if event.event is What.UPLOAD_ACKNOWLEDGED)
    (kept / "node2/root" / path).unlink()
    trees = {node: read_tree(kept / node / "root") for node in ("node1", "node2")}
    report = judge(events, trees, began_s=0.0, faults=[], replication_seconds=percentiles([]), settled=True)
    assert report.uploads.lost == 1
    assert not report.nodes_identical
    assert not report.good
