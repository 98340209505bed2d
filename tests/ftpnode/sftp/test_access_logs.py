"""The classic logs know what came and went over SFTP."""

from tests.ftpnode.sftp.clients import connected


def fields_of(node, name):
    return [line.split() for line in (node.cluster.folder / name).read_text().splitlines() if line[0] != "#"]


def test_requests_and_transfers_are_logged_and_a_password_never(door):
    node, _ = door
    before = len(fields_of(node, "w3c.log")), len(fields_of(node, "xferlog"))
    with connected(node) as client:
        with client.open("a b.rnx", "w") as file:
            file.write(b"12345")
        with client.open("a b.rnx") as file:
            assert file.read() == b"12345"
        client.mkdir("sub")
        client.rename("a b.rnx", "c")
    requests = fields_of(node, "w3c.log")[before[0] :]
    assert [fields[6:11] for fields in requests] == [
        ["USERAUTH", "station", "52", "0", "0"],
        ["OPEN", "a+b.rnx", "0", "0", "0"],
        ["CLOSE", "/a+b.rnx", "0", "0", "5"],
        ["OPEN", "a+b.rnx", "0", "0", "0"],
        ["CLOSE", "/a+b.rnx", "0", "5", "0"],
        ["MKDIR", "sub", "0", "0", "0"],
        ["RENAME", "a+b.rnx+c", "0", "0", "0"],
    ]
    assert {(fields[3], fields[5]) for fields in requests} == {("station", "2022")}
    assert node.cluster.passwords["station"] not in (node.cluster.folder / "w3c.log").read_text()
    up, down = fields_of(node, "xferlog")[before[1] :]
    assert up[7:] == ["5", "/Station/a_b.rnx", "b", "_", "i", "r", "station", "sftp", "0", "*", "c"]
    assert down[7:] == ["5", "/Station/a_b.rnx", "b", "_", "o", "r", "station", "sftp", "0", "*", "c"]


def test_a_refused_login_is_logged(door):
    import paramiko
    import pytest

    node, _ = door
    with pytest.raises(paramiko.AuthenticationException), connected(node, password="wrong"):
        pass
    assert fields_of(node, "w3c.log")[-1][6:9] == ["USERAUTH", "station", "51"]
