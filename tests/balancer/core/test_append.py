"""APPE that goes on with an upload that was cut: only at a node that knows as much of it as the client was told."""

import pytest

from balancer.core import actions as a
from balancer.core import events as e
from tests.balancer.core.test_transfers import offered, passive
from tests.kit.transcript import Transcript


def told(talk: Transcript) -> None:
    """A part of `a` has come, and APPE is to go on with it."""
    passive(talk)
    talk.client("SIZE a").node_gets("TYPE I").node("200 ok").node_gets("SIZE a").node("213 8192").client_gets(
        "213 8192"
    )
    talk.client("APPE a").node_gets("MLST a").node("550 none")


def test_appe_goes_on_with_a_cut_upload_at_a_node_that_tells_the_same_size() -> None:
    talk = Transcript().logs_in()
    told(talk)
    talk.node_gets("SIZE a").node("213 8192")
    offered(talk, "APPE a", typed=False)


@pytest.mark.parametrize("answer", ["550 none", "213 4096"])
def test_appe_is_not_given_to_a_node_that_would_take_the_rest_for_the_whole(answer: str) -> None:
    talk = Transcript().logs_in()
    told(talk)
    talk.node_gets("SIZE a").node(answer).node_is_left().does(a.OpenBack(frozenset({"node1"}), tls=False))
    talk.happens(e.BackFailed(None, "none")).does(a.DropData()).client_gets("450")


def test_appe_makes_a_file_of_which_nothing_has_come() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("SIZE b").node_gets("TYPE I").node("200 ok").node_gets("SIZE b").node("213 8192").client_gets(
        "213 8192"
    )
    talk.client("APPE a").node_gets("MLST a").node("550 none")
    offered(talk, "APPE a", typed=False)
