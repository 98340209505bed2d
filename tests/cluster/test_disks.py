"""Real nodes whose disk is full, or gone: a small disk of their own, mounted and unmounted while they run."""

import contextlib
import ftplib
import io
import os
import random
import subprocess

import pytest

from cluster.ask import get_document
from cluster.health import NodeState, ReplicatorHealth
from tests.kit.clients import plain_client
from tests.kit.publish_client import tree
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk"),
]

MIB = 1 << 20
RESERVE = 8 * MIB
DISK = 48 * MIB


@contextlib.contextmanager
def disk(folder):
    """A small disk of its own at this folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextlib.contextmanager
def cluster_with_small_disk(folder):
    """Two nodes, the second one's root on a small disk; yields the cluster and that disk."""
    with disk(folder / "disk") as small:

        def place(document):
            document["nodes"]["node2"]["root"] = str(small / "root")

        settings = {"disk_reserve_bytes": RESERVE}
        with running_cluster(folder, change=place, replication_settings=settings) as cluster:
            yield cluster, small


def replicator(cluster, node):
    settings = cluster.files.settings.nodes[node]
    return get_document(settings.replicator_management, "health", ReplicatorHealth)


def leave_free(disk, free_bytes):
    """Fill the disk, beside the root, until so much is left."""
    (disk / "ballast").unlink(missing_ok=True)
    space = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(space.f_bavail * space.f_frsize - free_bytes))


def content(size_bytes, seed=1):
    return random.Random(seed).randbytes(size_bytes)


def direct(cluster, node):
    settings = cluster.files.settings
    return plain_client(settings.nodes[node].address, 2121, "station", cluster.files.passwords["station"])


def says(cluster, node, text):
    return any(text in notice for notice in replicator(cluster, node).notices)


def on_disk(cluster, node, name):
    file = cluster.root(node) / "Station" / name
    return file.read_bytes() if file.is_file() else None


def test_a_full_disk_takes_nothing_and_pulls_nothing_says_so_and_goes_on_by_itself(tmp_path_factory):
    with cluster_with_small_disk(tmp_path_factory.mktemp("full")) as (cluster, small):
        with contextlib.closing(direct(cluster, "node2")) as here:
            sessions = [cluster.login("station") for _ in range(4)]  # some of them at the node that will be full
            here.storbinary("STOR before", io.BytesIO(b"before"))
            leave_free(small, RESERVE + 4 * MIB)
            until(lambda: says(cluster, "node2", "nearly full"), "node2 says it before it is full")
            assert here.storbinary("STOR nearly", io.BytesIO(b"nearly")).startswith("226")
            leave_free(small, RESERVE - 2 * MIB)
            until(lambda: says(cluster, "node2", "disk is full"), "node2 says that it is full")
            assert replicator(cluster, "node2").state is NodeState.READY  # it serves what it has
            with pytest.raises(ftplib.error_temp, match=r"^452 "):
                here.storbinary("STOR full", io.BytesIO(b"full"))
            for number, session in enumerate(sessions):
                assert session.storbinary(f"STOR vip{number}", io.BytesIO(content(MIB, number))).startswith("226")
                session.close()
            until(lambda: replicator(cluster, "node2").wanted_files >= 4, "node2 knows what it lacks")
            assert on_disk(cluster, "node2", "vip0") is None
            leave_free(small, 40 * MIB)
            until(lambda: replicator(cluster, "node2").wanted_files == 0, "node2 has all")
            assert here.storbinary("STOR after", io.BytesIO(b"after")).startswith("226")
        assert tree(cluster.root("node1")) == tree(cluster.root("node2"))
        assert on_disk(cluster, "node2", "vip3") == content(MIB, 3)
        until(lambda: not says(cluster, "node2", "full"), "node2 says no more of it")


def test_a_disk_that_files_of_the_cluster_filled_has_room_again_when_they_are_removed(tmp_path_factory):
    """What is removed is spared for a minute and kept as a version, but not where space is short."""
    with cluster_with_small_disk(tmp_path_factory.mktemp("removed")) as (cluster, _):
        with contextlib.closing(direct(cluster, "node1")) as there:
            for number in range(8):
                there.storbinary(f"STOR {number}", io.BytesIO(content(5 * MIB, number)))
            until(lambda: says(cluster, "node2", "disk is full"), "node2 is full")
            there.storbinary("STOR small", io.BytesIO(b"small"))
            until(lambda: replicator(cluster, "node2").wanted_files > 0, "node2 knows what it lacks")
            for number in range(4):
                there.delete(str(number))
            until(lambda: replicator(cluster, "node2").wanted_files == 0, "node2 has what is left")
            until(lambda: not says(cluster, "node2", "disk is full"), "node2 is not full any more")
        assert tree(cluster.root("node1")) == tree(cluster.root("node2"))
        assert on_disk(cluster, "node2", "small") == b"small"


@contextlib.contextmanager
def root_that_can_go(folder):
    """A root on a disk of its own, mounted; yields where, and the functions that mount and unmount it."""
    with disk(folder / "disk") as small:
        (small / "root").mkdir()
        (folder / "root").mkdir()

        def mount():
            subprocess.run(["mount", "--bind", small / "root", folder / "root"], check=True)

        def unmount():
            subprocess.run(["umount", "-l", folder / "root"], check=True)

        mount()
        try:
            yield folder / "root", mount, unmount
        finally:
            if os.path.ismount(folder / "root"):
                unmount()


def test_an_unmounted_disk_stops_all_changes_and_nothing_is_taken_for_deleted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unmounted")
    with root_that_can_go(folder) as (root, mount, unmount):

        def place(document):
            document["nodes"]["node2"]["root"] = str(root)

        with running_cluster(folder, change=place, replication_settings={"disk_reserve_bytes": 0}) as cluster:
            cluster.login("lansurvey").close()  # whose folder is made by its first login, and not in the middle of this
            client = cluster.login("station")
            for number in range(20):
                client.storbinary(f"STOR {number}", io.BytesIO(str(number).encode()))
            until(cluster.parts.nothing_owed, "all is everywhere")
            unmount()
            until(lambda: replicator(cluster, "node2").state is NodeState.FAILED, "node2 has noticed")
            assert says(cluster, "node2", "is the disk mounted?")
            with contextlib.closing(direct(cluster, "node2")) as here, pytest.raises(ftplib.error_temp):
                here.storbinary("STOR lost", io.BytesIO(b"lost"))
            assert client.storbinary("STOR meanwhile", io.BytesIO(b"meanwhile")).startswith("226")
            client.delete("0")
            client.close()
            assert not (root / "Station").exists()
            before = tree(cluster.root("node1"))
            assert {f"Station/{number}" for number in range(1, 20)} < before.keys()
            mount()
            cluster.wait_all_usable()
            until(lambda: tree(cluster.root("node2")) == before, "node2 has caught up")
            assert tree(cluster.root("node1")) == before
            assert before["Station/meanwhile"] == b"meanwhile"
