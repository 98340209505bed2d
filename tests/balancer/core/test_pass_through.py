"""Whose a data connection is that nobody can read, and in which word a session ends."""

import pytest

from balancer.core.pass_through import MOST_DATA, BothEnded, Passing, outcome, whose

CLIENT, OTHER = "192.0.2.7", "192.0.2.8"


def passing(name, client=CLIENT, node="node1", carries=0, spoke_s=0.0):
    return Passing(name, client, node, carries, spoke_s)


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([], None),
        ([passing("a")], "a"),
        ([passing("a", client=OTHER)], None),
        ([passing("a", node="node2")], None),
        ([passing("a", node="node2"), passing("b", client=OTHER)], None),
        ([passing("a", spoke_s=1.0), passing("b", spoke_s=2.0)], "b"),
        ([passing("a", spoke_s=1.0), passing("b", spoke_s=2.0, carries=1)], "a"),
        ([passing("a", carries=2), passing("b", carries=1)], "b"),
        ([passing("a", carries=MOST_DATA)], None),
        ([passing("a", carries=MOST_DATA), passing("b", carries=2)], "b"),
    ],
)
def test_a_data_connection_is_of_a_session_of_the_same_client_on_the_ports_node(sessions, expected):
    assert whose(sessions, CLIENT, "node1") == expected


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (BothEnded.CLIENT_FIRST, "client-gone"),
        (BothEnded.CLIENT_CUT, "client-gone"),
        (BothEnded.STILL, "client-gone"),
        (BothEnded.NODE_FIRST, "closed-by-node"),
        (BothEnded.NODE_CUT, "node-lost"),
    ],
)
def test_the_word_in_the_access_log(ended, word):
    assert outcome(ended) == word
