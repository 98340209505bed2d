"""A disk that damages files: reading again finds it, peers mend it, and nothing rotten is ever taken for a version."""

import pytest

from replicator.watching.scrub import Scrub
from tests.replicator.simulation.history import history
from tests.replicator.simulation.judge import BrokenPromiseError
from tests.replicator.simulation.world import run

ROTTEN = history(
    4,
    3,
    (0.5, "upload", 0, "a", "all", 5, 0.0),
    (1.0, "upload", 1, "d/x", "all", 7, 0.0),
    (4.0, "rot", 1, "a", "", 1, 0.0),
    (4.5, "rot", 0, "d/x", "", 1, 0.0),
)
LAST_COPY = history(
    5,
    2,
    (0.5, "upload", 0, "a", "all", 7, 0.0),
    (3.0, "rot", 0, "a", "", 1, 0.0),
    (3.5, "damage", 1, "a", "", 1, 0.0),
)


def test_what_rots_is_whole_again_in_the_end():
    world = run(ROTTEN)
    assert [node.engine.scrub.found for node in world.nodes] == [1, 1, 0]
    assert not any(node.index.quarantine for node in world.nodes)


def test_without_scrubbing_it_is_not(monkeypatch):
    async def nothing(_self, *, hurried=False):
        pass

    monkeypatch.setattr(Scrub, "round", nothing)
    with pytest.raises(BrokenPromiseError, match="differ"):
        run(ROTTEN)


def test_the_only_copy_that_rots_is_missing_until_a_person_deletes_it_and_never_a_version():
    world = run(LAST_COPY)
    assert world.nodes[0].engine.scrub.found == 1
    assert all(path != "a" for node in world.nodes for path in node.disk.files("root") if ".tripod" not in path)


def test_who_writes_over_a_file_that_rotted_before_it_was_renamed_replaces_what_it_was():
    run(
        history(
            51004079, 4,
            (0.76, "upload", 1, "d/y", "quorum", 24, 0.019),
            (1.05, "rot", 2, "d/y", "local", 20, 4.232),
            (2.0, "rename", 2, "d/y", "a", 103, 0.029),
            (5.236, "local-write", 2, "a", "local", 70, 0.033),
            shape="chain",
        )
    )  # fmt: skip


def test_an_upload_that_a_failing_disk_refused_may_be_back_after_a_removal():
    run(
        history(
            51005021, 3,
            (0.0429, "disk-fails", 2, "d/x", "any-peer", 115, 1.387),
            (0.0737, "lie", 0, "d", "any-peer", 69, 0.205),
            (0.1152, "upload", 1, "a", "quorum", 45, 0.011),
            (0.1371, "repeat", 2, "b", "local", 127, 0.233),
            (0.1466, "upload", 0, "d", "all", 178, 0.05),
            (0.3401, "remove", 0, "a", "local", 176, 1.238),
            shape="star",
        )
    )  # fmt: skip
