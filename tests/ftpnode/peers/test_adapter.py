"""What the adapter says when an ftpnode of its own does not start."""

import contextlib

import pytest

from tests.ftpnode.peers.adapter import Nodes


class NeverStarting(Nodes):
    @contextlib.contextmanager
    def opened(self, cluster):
        yield from self.no_port(cluster)

    def no_port(self, cluster):
        raise OSError(f"no port for {cluster.folder.name}")


def test_every_question_for_a_node_that_did_not_start_hears_why(tmp_path):
    nodes = NeverStarting(tmp_path)
    for _ in range(2):
        with pytest.raises(OSError, match="no port for cluster0"):
            nodes.entrance(ipv6=False)
    with pytest.raises(OSError, match="no port for cluster1"):
        nodes.entrance(ipv6=False, sites__ingest__greeting="hello")
    nodes.end()
