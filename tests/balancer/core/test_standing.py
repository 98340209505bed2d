"""What another balancer needs to go on with a session, and which ports the old one keeps meanwhile."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.conversation import Conversation, DataPlan
from balancer.core.leases import Leases, ports_to_keep
from balancer.core.session import Session
from balancer.core.standing import Standing, stand, standing_of
from tests.kit.transcript import RULES, Transcript

ENTIRELY_OF_THE_PROCESS = {
    "rules", "actions", "tls", "transfer", "node", "node_type", "node_facts", "lost", "refused", "rounds_left",
    "lost_why", "buffer_size_given", "protected", "data", "data_came", "full", "reads",
}  # fmt: skip
"""What a Standing need not say: fixed by the settings, of one command, or never so where a session can be carried."""


def carried(talk: Conversation) -> Conversation:
    standing = standing_of(talk)
    assert standing is not None
    other = Conversation(RULES)
    stand(other, msgspec.msgpack.decode(msgspec.msgpack.encode(standing), type=Standing))
    return other


def test_everything_that_a_conversation_remembers_is_carried_or_known_not_to_need_it():
    fields = {name for name in vars(Conversation(RULES)) if not name.startswith("_")}
    assert fields - ENTIRELY_OF_THE_PROCESS == set(Standing.__struct_fields__) - {"target"}


@given(
    st.fixed_dictionaries(
        {
            "account": st.none() | st.text(),
            "logged_in": st.booleans(),
            "type": st.sampled_from("AI"),
            "folder": st.none() | st.binary().map(lambda name: name.decode("utf-8", "surrogateescape")),
            "rename_from": st.none() | st.text(),
            "mlst_facts": st.none() | st.text(),
            "hash_name": st.none() | st.text(),
            "told_size": st.none() | st.tuples(st.text(), st.text()),
            "rest_bytes": st.integers(0, 10**17),
            "data": st.just(DataPlan.NONE) | st.tuples(st.text(), st.integers(0, 65535)),
            "epsv_only": st.booleans(),
            "failed_logins": st.integers(0, 9),
            "last_node": st.none() | st.text(),
            "host": st.just(""),
        }
    )
)
def test_a_conversation_comes_back_as_it_stood(values):
    talk = Conversation(RULES)
    for name, value in values.items():
        setattr(talk, name, value)
    other = carried(talk)
    assert {name: getattr(other, name) for name in values} == values


def test_the_node_of_the_session_is_the_one_it_left():
    talk = Conversation(RULES)
    talk.node, talk.last_node = "node2", "node1"
    assert carried(talk).last_node == "node2"


def test_a_session_goes_on_at_another_balancer_as_if_nothing_had_been():
    here = Transcript().logs_in()
    here.client("CWD 2026").node_gets("CWD 2026").node("250 there").node_gets("PWD").node('257 "/2026"')
    here.client_gets("250 there").client("TYPE I").client_gets("200")
    standing = here.session.standing
    assert standing is not None
    there = Transcript()
    there.session = Session(RULES)
    there.session.go_on_from(standing)
    there.client("SIZE a").replays("node2").node_gets("CWD /2026").node("250 there").node_gets("TYPE I")
    there.node("200 type").node_gets("SIZE a").node("213 5").client_gets("213 5")


@pytest.mark.parametrize(
    "busy",
    [
        lambda talk: talk.client("PWD").node_gets("PWD"),
        lambda talk: talk.client(partial=True),
        lambda talk: talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(40000)).client_gets("229"),
        lambda talk: talk.happens(e.ClientGone("closed")).does(a.EndSession("client-gone")),
    ],
    ids=["in a command", "in a line", "with a port", "at its end"],
)
def test_a_session_in_which_something_is_in_progress_cannot_be_carried(busy):
    talk = Transcript().logs_in()
    assert talk.session.standing is not None
    busy(talk)
    assert talk.session.standing is None


def test_a_session_under_tls_cannot_be_carried():
    talk = Transcript().client("AUTH TLS").client_gets("234").does(a.StartFrontTls())
    assert talk.session.standing is None


PORTS = range(100, 180)


@given(st.integers(0, 80), st.sets(st.sampled_from(PORTS)))
def test_what_is_lent_is_kept_and_no_more_than_an_eighth_beside(length, lent):
    ports = PORTS[:length]
    lent &= set(ports)
    kept = ports_to_keep(ports, lent)
    assert lent <= set(kept) <= set(ports)
    assert len(kept) == len(set(kept)) == max(len(lent), -(-length // 8))


def test_a_port_that_is_lent_no_more_still_lets_in_whom_it_was_promised():
    leases = Leases(range(5))
    lease = leases.grant("a", 0.0, 10.0, lambda _: 3)
    assert lease is not None
    leases.lend_only([0])
    assert leases.lent(5.0) == {3}
    assert leases.grant("a", 5.0, 10.0, lambda _: 0).port == 0
    assert leases.grant("a", 5.0, 10.0, lambda _: 0) is None
    assert leases.claim(3, "a", 5.0) is lease
    assert leases.lent(11.0) == {0}
    leases.lend_only([])
    assert leases.grant("b", 5.0, 10.0, lambda _: 0) is None
    assert leases.claim(99, "a", 5.0) is None
