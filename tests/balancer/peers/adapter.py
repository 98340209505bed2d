"""The plugin of tests.ftpnode.peers with a balancer before the ftpnode: the same tests through the VIP."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import pytest
from typing_extensions import override

from tests.balancer.peers.differences import DIFFERENCES
from tests.balancer.peers.vip import Entrance, at_ipv6_loopback, running_vip
from tests.ftpnode.peers.adapter import (
    Nodes,
    pytest_collection_modifyitems,
    pytest_runtest_setup,
    pytest_unconfigure,
    use,
)
from tests.ftpnode.running import running
from tests.kit.cluster_folder import LabCluster

__all__ = ["pytest_collection_modifyitems", "pytest_configure", "pytest_runtest_setup", "pytest_unconfigure"]

_FIRST_V6_PORT: Final = 23000


class Vips(Nodes):
    """An ftpnode and a balancer for each choice of settings."""

    @override
    @contextlib.contextmanager
    def opened(self, cluster: LabCluster) -> Iterator[Entrance]:
        with running(cluster), running_vip(cluster) as vip:
            yield vip

    @override
    def place(self, document: dict[str, Any], *, ipv6: bool) -> None:
        if ipv6:
            at_ipv6_loopback(document, _FIRST_V6_PORT)


def pytest_configure(config: pytest.Config) -> None:
    use(Vips(config.rootpath), DIFFERENCES)
