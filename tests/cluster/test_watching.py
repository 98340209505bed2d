"""Files that other programs write into a node's root: whatever way they do it, every node ends with the same."""

import os
import shutil
import subprocess

import pytest

from tests.kit.cluster_folder import write_cluster
from tests.kit.publish_client import tree
from tests.kit.replicators import Replicators
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def replicators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watching")
    with Replicators(write_cluster(folder / "cluster")) as replicators:
        yield replicators.start().ready()


def write(file, content):
    file.write_bytes(content)
    return file


def vim_with_a_backup(root, _outside):
    """vim, backupcopy=no: probe whether the folder can be written, move the old aside, write the new, drop the old."""
    write(root / "4913", b"").unlink()
    (root / "f").rename(root / "f~")
    write(root / "f", b"new")
    (root / "f~").unlink()


def truncate_and_write(root, _outside):
    with (root / "f").open("wb") as stream:
        stream.flush()
        stream.write(b"ne")
        stream.flush()
        stream.write(b"w")


def temporary_name_and_rename(root, _outside):
    write(root / "f.tmp", b"new").replace(root / "f")


def rsync(root, _outside):
    """rsync: a hidden temporary name, the times, the name."""
    temporary = write(root / ".f.X3aB9z", b"new")
    os.utime(temporary, ns=(10**18, 10**18))
    temporary.replace(root / "f")


def copied_with_its_times(root, outside):
    """cp -p and its like set the times after they have closed the file."""
    os.utime(write(outside / "new", b"new"), ns=(10**18, 10**18))
    shutil.copy2(outside / "new", root / "f")


def copied(root, outside):
    subprocess.run(["cp", write(outside / "new", b"new"), root / "f"], check=True)


def moved_within(root, _outside):
    (root / "d").mkdir()
    write(root / "d/new", b"new").rename(root / "f")


def moved_in(root, outside):
    write(outside / "new", b"new").rename(root / "f")


def folder_moved_in(root, outside):
    (outside / "deep/er").mkdir(parents=True)
    write(outside / "deep/er/g", b"g")
    (outside / "deep").rename(root / "deep")
    write(root / "f", b"new")


def folder_renamed_while_it_is_written(root, _outside):
    (root / "d/s").mkdir(parents=True)
    (root / "d").rename(root / "e")
    write(root / "e/s/g", b"g")
    write(root / "f", b"new")


def hard_linked(root, outside):
    (root / "f").unlink()
    os.link(write(outside / "new", b"new"), root / "f")


def written_many_times(root, _outside):
    for number in range(50):
        write(root / "f", b"%d" % number)
    with (root / "f").open("ab") as stream:
        stream.truncate(0)
        stream.write(b"new")


PATTERNS = [
    vim_with_a_backup,
    truncate_and_write,
    temporary_name_and_rename,
    rsync,
    copied_with_its_times,
    copied,
    moved_within,
    moved_in,
    folder_moved_in,
    folder_renamed_while_it_is_written,
    hard_linked,
    written_many_times,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_what_a_program_leaves_is_on_both_nodes_with_its_times(replicators, tmp_path, pattern):
    here, there = (replicators.root(name) / pattern.__name__ for name in ("node1", "node2"))
    here.mkdir()
    write(here / "f", b"old")
    until(lambda: (there / "f").is_file() and (there / "f").read_bytes() == b"old", "the old content is there")
    pattern(here, tmp_path)
    left = tree(here)
    until(lambda: tree(there) == left, f"{left} is there, not {tree(there)}")
    assert left["f"] == b"new"
    until(lambda: (there / "f").stat().st_mtime_ns == (here / "f").stat().st_mtime_ns, "the times are the same")
    for name in replicators.names:
        assert replicators.health(name)["conflicts"] == 0


def metric(replicators, node, name):
    of = replicators.cluster.settings.nodes[node]
    page = subprocess.check_output(
        ["curl", "-s", f"http://{of.address}:{of.replicator_management_port}/metrics"], text=True, timeout=20
    )
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"tripod_replicator_{name} "))


def doubts(replicators, node):
    return sum(metric(replicators, node, name) for name in ("watch_overflows_total", "watch_rebuilds_total"))


def test_a_replicator_that_stood_still_while_its_queue_overflowed_catches_up_and_says_so(replicators):
    root = replicators.root("node1")
    replicators.pause("node1")
    try:
        for number in range(12_000):  # alternating, or the kernel would fold equal events into one
            write(root / f"busy{number % 2}", b"%d" % number)
        (root / "unheard/of").mkdir(parents=True)
        write(root / "unheard/of/file", b"after the overflow")
    finally:
        replicators.go_on("node1")
    shown = replicators.alike("all is found", timeout_s=60.0)
    assert shown["unheard/of/file"] == b"after the overflow"
    until(lambda: doubts(replicators, "node1") >= 1, "the overflow, or that nothing was seen for so long, is counted")
    until(lambda: replicators.health("node1")["why_blind"] == "", "it sees again")
    write(root / "unheard/of/later", b"later")
    assert replicators.alike("later events come")["unheard/of/later"] == b"later"
