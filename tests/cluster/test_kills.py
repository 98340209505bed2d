"""SIGKILLs at random moments of many uploads, briefly; `make kills` does the same a thousand times."""

import pytest

from cluster.tree_path import STAGING
from tests.kills.run import Plan, chance, differences, run
from tests.kills.watcher import Watcher
from tests.kit.record import Record
from tests.kit.self_telling import is_whole, new_content

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BRIEF = Plan(kills=24, uploads=300, most_rest_s=1.5)


@pytest.mark.timeout(240)
def test_whatever_is_killed_what_was_acknowledged_is_kept_and_no_part_shows(tmp_path_factory):
    record = Record()
    run(BRIEF, tmp_path_factory.mktemp("kills"), record)  # a short path: the state folders hold Unix sockets
    assert record.findings == [], f"seed {BRIEF.seed}"
    assert record["kills of ftpnodes"] > 0
    assert record["kills of replicators"] > 0
    assert record["acknowledged"] >= BRIEF.uploads
    assert record["acknowledged with 2 copies"] > 0
    assert record["looks at visible files"] > 0


def content():
    return new_content(chance(BRIEF, 0, "judge"), 100)


@pytest.mark.parametrize("spoil", [lambda whole: whole[:-1], lambda whole: whole + b"x", lambda _: b"", bytes.upper])
def test_a_content_that_is_cut_or_spoilt_is_not_whole(spoil):
    assert is_whole(content())
    assert not is_whole(spoil(content()))


def test_the_watcher_finds_a_part_that_is_visible_and_leaves_staging_alone(tmp_path):
    record = Record()
    (tmp_path / STAGING).mkdir(parents=True)
    (tmp_path / STAGING / "up-1").write_bytes(content()[:5])
    (tmp_path / "whole").write_bytes(content())
    watcher = Watcher([tmp_path], record)
    watcher.look()
    assert record.findings == []
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/part").write_bytes(content()[:5])
    watcher.look()
    assert len(record.findings) == 1
    assert "folder/part was visible with 5 bytes" in record.findings[0]


def test_what_is_absent_changed_or_never_acknowledged_is_found_at_the_end(tmp_path):
    for name in ("kept", "changed", "foreign"):
        (tmp_path / name).write_bytes(name.encode())
    owed = {"kept": b"kept", "changed": b"other", "absent": b"absent"}
    assert differences(tmp_path, owed) == [
        "absent was acknowledged and is absent",
        "changed was acknowledged and has another content",
        "foreign was never acknowledged",
    ]
