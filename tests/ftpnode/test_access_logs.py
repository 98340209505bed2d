"""The classic logs of a real node: every command and transfer, no password, and on in a new file after SIGHUP."""

import signal

import pytest

from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("logs"), nodes=1, replication="none")
    text = cluster.file.read_text()
    assert "  node1:\n" in text
    cluster.file.write_text(text.replace("  node1:\n", "  node1:\n    logs: {w3c: w3c.log, xferlog: xferlog}\n"))
    with running(cluster) as node:
        yield node


def lines(node, name):
    return (node.cluster.folder / name).read_text().splitlines()


def test_commands_and_transfers_are_logged_and_a_password_never(node):
    with node.client() as client:
        client.store("a b.rnx", b"12345")
        client.fetch("a b.rnx")
        client.ask("MKD sub\x01 forged")
        client.ask("XYZZY secret")
    commands = [line.split() for line in lines(node, "w3c.log") if not line.startswith("#")]
    assert [(fields[3], fields[6], fields[7], fields[8], fields[9], fields[10]) for fields in commands] == [
        ("station", "USER", "station", "331", "0", "0"),
        ("station", "PASS", "-", "230", "0", "0"),
        ("station", "EPSV", "-", "229", "0", "0"),
        ("station", "STOR", "a+b.rnx", "226", "0", "5"),
        ("station", "EPSV", "-", "229", "0", "0"),
        ("station", "RETR", "a+b.rnx", "226", "5", "0"),
        ("station", "MKD", "sub%01+forged", "553", "0", "0"),
        ("station", "XYZZY", "-", "500", "0", "0"),
    ]
    assert node.cluster.passwords["station"] not in "".join(lines(node, "w3c.log"))
    up, down = (line.split() for line in lines(node, "xferlog"))
    assert up[7:] == ["5", "/Station/a_b.rnx", "b", "_", "i", "r", "station", "ftp", "0", "*", "c"]
    assert down[7:] == ["5", "/Station/a_b.rnx", "b", "_", "o", "r", "station", "ftp", "0", "*", "c"]


def test_after_sighup_it_goes_on_in_a_new_file(node):
    log = node.cluster.folder / "w3c.log"
    log.rename(log.with_suffix(".1"))
    before = log.with_suffix(".1").read_text()
    node.process.send_signal(signal.SIGHUP)
    until(log.exists, "the log is opened anew")
    with node.client() as client:
        client.ask("NOOP")
    first, *_ = lines(node, "w3c.log")
    assert first.startswith("#Software")
    assert lines(node, "w3c.log")[-1].split()[6] == "NOOP"
    assert log.with_suffix(".1").read_text() == before


def test_a_log_that_cannot_be_opened_is_one_clear_line_at_the_start(tmp_path):
    cluster = write_cluster(tmp_path / "bad", nodes=1, replication="none")
    text = cluster.file.read_text()
    cluster.file.write_text(text.replace("  node1:\n", "  node1:\n    logs: {w3c: nowhere/w3c.log}\n"))
    with pytest.raises(AssertionError, match=r"nowhere/w3c\.log: cannot be used"), running(cluster):
        pass
