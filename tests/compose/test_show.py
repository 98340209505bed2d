"""What `tripod status` shows of the balancer's canaries."""

import io

import pytest
from rich.console import Console

from cluster.health import BalancerHealth, CanaryTrip, FtpnodeHealth, NodeState
from compose.show import show_status
from compose.status import ClusterStatus


@pytest.mark.parametrize(
    ("delays", "shown"),
    [
        ({}, ""),
        ({"n1": 0.02, "n3": 1.25}, "1.2 s"),
        ({"n1": None, "n3": 0.02}, "not from n1"),
        ({"n1": None, "n3": None}, "not from n1, n3"),
    ],
)
def test_the_status_tells_how_long_canaries_take_or_from_where_none_comes(delays, shown):
    trips = [CanaryTrip(source=name, target="n2", delay_s=delay_s) for name, delay_s in delays.items()]
    elsewhere = CanaryTrip(source="n2", target="n1", delay_s=77.0)
    balancer = BalancerHealth(state=NodeState.READY, canaries=(*trips, elsewhere))
    out = io.StringIO()
    nodes = {"n2": FtpnodeHealth(node="n2", state=NodeState.READY)}
    show_status(Console(file=out, width=200), ClusterStatus(balancer, nodes))
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("n2")]
    assert line.rstrip().endswith(shown or "0"), "the column behind the counts, where there are no notices"
    assert "77" not in line
