"""What programs do on the disk of a read-only member is put right from its peers, kept and listed, and never spread."""

import pytest

from tests.replicator.simulation.history import history
from tests.replicator.simulation.judge import tree_of
from tests.replicator.simulation.world import run

pytestmark = pytest.mark.slow
UPLOADS = ((0.2, "upload", 0, "a", "all", 4, 0.0), (0.4, "upload", 1, "d/x", "all", 6, 0.0))


def shown(world, name):
    return {path: entry[0] for path, entry in tree_of(node(world, name).disk).items()}


def node(world, name):
    return next(one for one in world.nodes if one.name == name)


def conflicts(world, name):
    return {conflict.path for conflict in node(world, name).index.open_conflicts() if conflict.kept}


@pytest.mark.parametrize("shape", ["mesh", "chain"])
def test_what_is_written_over_a_file_is_kept_and_the_file_comes_back(shape):
    world = run(history(1, 3, *UPLOADS, (2.0, "local-write", 2, "a", "", 8, 0.0), shape=shape, mirror=True))
    assert shown(world, "n2") == shown(world, "n0") == {"a": "file", "d": "directory", "d/x": "file"}
    assert conflicts(world, "n2") == {"a"}
    assert not conflicts(world, "n0")


def test_what_nobody_knows_is_put_away():
    world = run(history(1, 3, *UPLOADS, (2.0, "local-write", 2, "b", "", 8, 0.0), mirror=True))
    assert shown(world, "n2") == shown(world, "n0") == {"a": "file", "d": "directory", "d/x": "file"}
    assert conflicts(world, "n2") == {"b"}


def test_what_is_deleted_or_renamed_comes_back():
    changes = (2.0, "local-delete", 2, "a", "", 8, 0.0), (2.0, "local-rename", 2, "d/x", "b", 8, 0.0)
    world = run(history(1, 3, *UPLOADS, *changes, mirror=True))
    assert shown(world, "n2") == shown(world, "n0") == {"a": "file", "d": "directory", "d/x": "file"}
    assert conflicts(world, "n2") == {"b"}


def test_a_client_changes_nothing_there():
    world = run(history(1, 3, *UPLOADS, (2.0, "upload", 2, "b", "local", 8, 0.0), mirror=True))
    assert "b" not in shown(world, "n0")


def test_a_mirror_without_memory_waits_for_a_peer_before_it_takes_what_it_has_for_strays(monkeypatch):
    """It comes back without its index and cannot reach its peers: it must not put its whole tree away."""
    monkeypatch.setattr("replicator.engine._JOIN_ALONE_S", 0.5)
    cuts = (2.0, "cut", 0, "", "2", 1, 8.0), (2.0, "cut", 1, "", "2", 1, 8.0)
    world = run(history(1, 3, *UPLOADS, (0.8, "leave", 2, "", "", 1, 0.0), *cuts, mirror=True))
    assert shown(world, "n2") == shown(world, "n0")
    assert not conflicts(world, "n2")
