"""Where data connections may come from and go to."""

import socket

import pytest

from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster


@pytest.fixture
def station(alone):
    with alone.client() as client:
        yield client


def test_pasv_tells_the_nodes_address_and_a_port_of_the_range(alone, station):
    numbers = station.ask("PASV").partition("(")[2].partition(")")[0].split(",")
    assert ".".join(numbers[:4]) == alone.host
    assert int(numbers[4]) * 256 + int(numbers[5]) in alone.node.passive_ports.all()
    assert station.passive_port() in alone.node.passive_ports.all()


@pytest.mark.slow
def test_a_passive_port_that_nobody_uses_closes_without_a_word(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none", limits={"passive_accept_s": 0.3})
    with running(cluster) as node, node.client() as client:
        client.passive_port()
        assert client.ask("STOR waits.rnx").startswith("150")
        assert client.reply().startswith("425")
        assert client.ask("NOOP").startswith("200")


def test_active_mode_answers_port_before_it_connects(alone, station):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert station.ask(f"PORT 127,0,0,1,{port >> 8},{port & 255}").startswith("200")
        assert station.ask("STOR active.rnx").startswith("150")
        data, address = listener.accept()
        assert address[0] == alone.host
        data.sendall(b"active")
        data.close()
        assert station.reply().startswith("226")
        assert station.ask(f"EPRT |1|127.0.0.1|{port}|").startswith("200")
        assert station.ask("RETR active.rnx").startswith("150")
        with listener.accept()[0] as data, data.makefile("rb") as file:
            assert file.read() == b"active"
        assert station.reply().startswith("226")


def test_an_active_connection_that_is_refused_is_a_425(station):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert station.ask(f"PORT 127,0,0,1,{port >> 8},{port & 255}").startswith("200")
    assert station.ask("LIST").startswith("150")
    assert station.reply().startswith("425")
    assert station.ask("NOOP").startswith("200")


@pytest.mark.parametrize(
    "command",
    [
        "PORT 127,0,0,2,78,32",
        "PORT 127,0,0,1,3,255",
        "PORT 127,0,0,1,78",
        "PORT 127,0,0,256,78,32",
        "PORT nonsense",
        "EPRT |1|127.0.0.2|20000|",
        "EPRT |1|127.0.0.1|80|",
        "EPRT |2|127.0.0.1|20000|",
        "EPRT |",
        "EPRT |1|127.0.0.1|99999|",
    ],
)
def test_data_goes_to_the_clients_own_unprivileged_ports_alone(station, command):
    assert station.ask(command).startswith("501")
    assert station.ask("LIST").startswith("425")


def test_after_epsv_all_nothing_else_will_do(station):
    assert station.ask("EPSV ALL").startswith("200")
    assert station.ask("PASV").startswith("501")
    assert station.ask("PORT 127,0,0,1,78,32").startswith("501")
    assert station.ask("EPSV").startswith("229")
