"""What a client reads of its data connection: 125 where it stands already, 150 where not, and why it cannot be used."""

import pytest

from balancer.core import actions as a
from balancer.core import events as e
from tests.balancer.core.test_transfers import offered, passive
from tests.kit.transcript import Transcript

ACTIVE = ("192.0.2.7", 2561)


def begun(talk: Transcript, target: tuple[str, int] | None) -> Transcript:
    return talk.does(a.OpenFrontData(target, protected=False), a.FeedNode())


@pytest.mark.parametrize("node_says", ["125 FILE: x", "150 FILE: x"])
def test_whose_connection_stands_is_told_by_the_balancer_and_the_rest_by_the_node(node_says: str) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client("STOU")
    offered(talk, "STOU")
    begun(talk.node(node_says).client_gets("150 FILE: x"), None)

    talk = Transcript().logs_in()
    passive(talk)
    talk.happens(e.FrontDataCame()).client("STOU")
    offered(talk, "STOU")
    begun(talk.node(node_says).client_gets("125 FILE: x"), None)


def test_in_active_mode_the_connection_is_about_to_be_opened() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.happens(e.FrontDataCame())
    talk.client("PORT 192,0,2,7,10,1").does(a.ReleasePort()).client_gets("200").client("STOR a")
    offered(talk, "STOR a", typed=True)
    begun(talk.node("125 go").client_gets("150 go"), ACTIVE)


def test_a_connection_that_came_to_the_last_port_is_none_to_the_next() -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.happens(e.FrontDataCame())
    passive(talk)
    talk.client("STOR a")
    offered(talk, "STOR a")
    begun(talk.node("125 go").client_gets("150 go"), None)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (e.FrontTrouble.NOT_MADE, "425"),
        (e.FrontTrouble.TLS_FAILED, "522"),
        (e.FrontTrouble.TLS_FOREIGN, "522"),
        (e.FrontTrouble.STALLED, "426"),
    ],
)
@pytest.mark.parametrize("line", ["STOR a", "LIST"])
def test_what_is_wrong_with_the_connection_has_the_code_that_a_node_gives_it(
    line: str, trouble: e.FrontTrouble, code: str
) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    talk.client(line)
    offered(talk, line)
    talk.node("125 go").client_gets("150 go").does(a.OpenFrontData(None, protected=False))
    if line != "LIST":
        talk.does(a.FeedNode())
    talk.happens(e.FrontDataFailed("why", trouble)).node_is_left().does(a.DropData(), a.ReleasePort())
    talk.client_gets(code)


@pytest.mark.parametrize("came", [False, True])
def test_a_connection_that_a_refused_transfer_did_not_use_serves_the_next_one(*, came: bool) -> None:
    talk = Transcript().logs_in()
    passive(talk)
    if came:
        talk.happens(e.FrontDataCame())
    talk.client("STOR bad")
    offered(talk, "STOR bad")
    talk.node("553 no").does(a.DropBackData(), a.DropData()).client_gets("553 no").client("STOR good")
    offered(talk, "STOR good", typed=False)
    begun(talk.node("125 go").client_gets("125 go" if came else "150 go"), None)
