"""For how long a node that is just back says of nothing that it is not there."""

import pytest

from replicator.core.catching_up import Teller, still_to_hear

STARTED_S, PATIENCE_S = 100.0, 9.0


@pytest.mark.parametrize(
    ("connected_s", "told_all", "now_s", "waits"),
    [
        (None, False, 101.0, True),  # just started, and nobody is there yet
        (None, False, 109.0, False),  # nobody came: then what this node knows is all there is
        (None, True, 101.0, False),  # it told all, though we cannot reach it
        (108.0, False, 110.0, True),  # a peer came late
        (108.0, False, 117.0, False),  # a peer that is there and tells nothing is not waited for for ever
        (108.0, True, 110.0, False),
        (50.0, False, 101.0, True),  # never before the start
    ],
)
def test_a_peer_is_waited_for_while_its_news_may_come(connected_s, told_all, now_s, waits) -> None:
    teller = Teller(name="node2", connected_s=connected_s, told_all=told_all)
    assert still_to_hear((teller,), STARTED_S, now_s, PATIENCE_S) == (("node2",) if waits else ())
