"""What accounts may do at a read-only node, and what they are told."""

import pytest

from cluster.settings import Right
from ftpnode.core.rights import RIGHT_OF_COMMAND, denial, may_do, settings_at
from tests.kit.cluster_folder import rewritten, write_cluster


def test_no_account_may_do_more_at_a_read_only_node_than_read(tmp_path):
    cluster = write_cluster(tmp_path / "cluster")
    mirror = rewritten(cluster, lambda document: document["nodes"]["node2"].update(read_only=True)).settings
    assert settings_at(mirror, "node1") is mirror
    there = settings_at(mirror, "node2")
    assert settings_at(there, "node2") == there
    for name, account in there.accounts.items():
        assert set(account.rights) == set(mirror.accounts[name].rights) & {Right.READ}
        assert account.home == mirror.accounts[name].home
        changing = [command for command, right in RIGHT_OF_COMMAND.items() if right is not Right.READ]
        assert not any(may_do(command, account.rights) for command in changing)


@pytest.mark.parametrize(
    ("command", "read_only", "reply"),
    [
        ("STOR", True, "550 This node is read-only."),
        ("STOR", False, "550 Permission denied."),
        ("RETR", True, "550 Permission denied."),
    ],
)
def test_a_denial_says_why(command, read_only, reply):
    assert denial(command, read_only=read_only) == reply
