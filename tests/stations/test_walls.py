import ftplib

import pytest

from stations.ftp_client import Entrance, StationClient, leave
from stations.persona import DIRECT
from stations.walls import ways_out, ways_to_write
from tests.stations.conftest import PASSWORDS


@pytest.fixture
def log_in(ftp_server):
    clients = []

    def connected(account):
        entrance = Entrance(
            host=ftp_server.host,
            port=ftp_server.port,
            account=account,
            password=PASSWORDS.get(account, ""),
            timeout_s=5,
        )
        clients.append(StationClient(DIRECT, entrance))
        return clients[-1]

    yield connected
    for client in clients:
        leave(client)


def test_an_account_at_home_finds_no_way_out(ftp_server, log_in):
    (ftp_server.root / "Data" / "x").write_bytes(b"product")
    assert ways_out(log_in("station"), ("Data",), "Data/x") == []


def test_an_account_that_is_not_isolated_is_found_out(ftp_server, log_in):
    (ftp_server.root / "Data" / "x").write_bytes(b"product")
    # The service desk's home is the root: to it, Data is not beyond a wall.
    assert ways_out(log_in("servicedesk"), ("Data",), "Data/x") == [
        "CWD /Data worked",
        "CWD ../Data worked",
        "RETR ../Data/x sent data",
    ]


def test_a_reader_cannot_write_and_a_writer_is_found_out(ftp_server, log_in):
    (ftp_server.root / "Data" / "x").write_bytes(b"product")
    assert ways_to_write(log_in("anonymous"), "x") == []
    assert (ftp_server.root / "Data" / "x").exists()
    assert ways_to_write(log_in("lansurvey"), "x") == ["STOR intruder.txt worked", "DELE x worked"]


def test_the_connection_is_usable_after_the_probes(log_in):
    client = log_in("station")
    ways_out(client, ("Data",), "Data/x")
    assert client.pwd() == "/"
    with pytest.raises(ftplib.error_perm):
        client.cwd("/nowhere")
