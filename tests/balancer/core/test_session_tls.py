"""TLS of one session as a transcript: implicit from the first byte, and data that must resume it."""

import msgspec
import pytest

from balancer.core import actions as a
from balancer.core import events as e
from cluster.settings import Resumption
from tests.kit.transcript import RULES, Transcript

IMPLICIT = msgspec.structs.replace(RULES, implicit_tls=True)


def ready_to_store(talk):
    talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(4000)).client_gets("229")
    talk.client("STOR a").node_gets("TYPE A").node("200 ok").node_gets("EPSV").node("229 ok (|||5001|)")
    talk.does(a.ConnectBackData(5001)).happens(e.BackDataOpened()).node_gets("STOR a").node("150 go")
    return talk.client_gets("150 go")


def test_under_implicit_tls_data_is_protected_without_pbsz_and_prot():
    talk = ready_to_store(Transcript(IMPLICIT).logs_in())
    talk.does(a.OpenFrontData(None, protected=True), a.FeedNode())


@pytest.mark.parametrize(("line", "code"), [("AUTH TLS", "503"), ("PBSZ 0", "200"), ("PROT P", "200"), ("CCC", "534")])
def test_under_implicit_tls_what_is_said_of_tls_fits(line, code):
    Transcript(IMPLICIT).client(line).client_gets(code)


def test_under_implicit_tls_a_client_may_turn_protection_off_where_its_account_allows():
    talk = Transcript(IMPLICIT).logs_in()
    ready_to_store(talk.client("PROT C").client_gets("200")).does(a.OpenFrontData(None, protected=False), a.FeedNode())
    bound = msgspec.structs.replace(IMPLICIT, protected_accounts=frozenset({"station"}))
    talk = Transcript(bound).logs_in().client("PROT C").client_gets("200")
    talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(4000)).client_gets("229")
    talk.client("LIST").client_gets("521")


def test_implicit_tls_is_told_to_the_node():
    talk = Transcript(IMPLICIT)
    talk.client("USER station").client_gets("331").client("PASS x").does(a.OpenBack(frozenset(), tls=True))


def test_data_that_resumed_no_session_of_its_control_connection_is_a_522():
    rules = msgspec.structs.replace(IMPLICIT, resumption={"station": Resumption.REQUIRE})
    talk = ready_to_store(Transcript(rules).logs_in())
    talk.does(a.OpenFrontData(None, protected=True, resumption=Resumption.REQUIRE), a.FeedNode())
    talk.happens(e.FrontDataFailed("not resumed", e.FrontTrouble.TLS_FOREIGN)).node_is_left()
    talk.does(a.DropData(), a.ReleasePort()).client_gets(
        "522 The data connection must resume the TLS session of the control connection."
    )


def test_where_resumption_is_required_data_in_clear_is_a_521_under_tls_alone():
    rules = msgspec.structs.replace(RULES, resumption={"station": Resumption.REQUIRE})
    talk = ready_to_store(Transcript(rules).logs_in())
    talk.does(a.OpenFrontData(None, protected=False, resumption=Resumption.REQUIRE), a.FeedNode())
    talk = Transcript(msgspec.structs.replace(rules, implicit_tls=True)).logs_in().client("PROT C").client_gets("200")
    talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(4000)).client_gets("229")
    talk.client("STOR a").client_gets("521")


@pytest.mark.parametrize(
    ("user", "code"), [("anonymous", "521"), ("FTP", "521"), ("guest", "521"), ("ftp", "150"), ("station", "150")]
)
def test_what_is_asked_of_the_anonymous_account_is_asked_under_all_its_names(user, code):
    """But for a name that is an account of its own."""
    rules = msgspec.structs.replace(
        IMPLICIT,
        accounts=frozenset({"guest", "ftp", "station"}),
        guest="guest",
        protected_accounts=frozenset({"guest"}),
    )
    talk = Transcript(rules).client(f"USER {user}").client_gets("331").client("PASS x").node_opens("node1")
    talk.node_gets(f"USER {user}").node("331 go on").node_gets("PASS x").node("230 in").client_gets("230 in")
    talk.client("PROT C").client_gets("200")
    if code == "150":
        ready_to_store(talk).does(a.OpenFrontData(None, protected=False), a.FeedNode())
    else:
        talk.client("EPSV").does(a.LeasePort()).happens(e.PortLeased(4000)).client_gets("229")
        talk.client("STOR a").client_gets("521")
