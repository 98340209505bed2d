"""Names over SFTP as the account's clients mean them: case, Latin-1, backslashes; and what replaces what."""

import pytest

from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import connected, raw, with_sftp
from tests.kit.cluster_folder import write_cluster

FAILURE = 4


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("names"), nodes=1, replication="none")
    accounts = {
        "station": {
            "compatibility": {"case_insensitive": True, "latin1_names": True},
            "deny": ["/Private", "/deep/private"],
        },
        "lansurvey": {"compatibility": {"backslash_paths": False, "replace_on_rename": False}},
    }
    with running(with_sftp(cluster, accounts=accounts)) as node:
        for name in ("Station/Rinex", "Station/Private", "Station/deep/private", "Data"):
            (node.root / name).mkdir(parents=True, exist_ok=True)
        yield node


def test_where_case_does_not_count_a_file_is_found_replaced_and_removed_in_any(node):
    with connected(node) as client:
        with client.open("RINEX/a.26O", "w") as file:
            file.write(b"one")
        with client.open("rinex/A.26o", "w") as file:
            file.write(b"two")
        assert [path.name for path in (node.root / "Station/Rinex").iterdir()] == ["a.26O"]
        assert client.stat("/RINEX/A.26O").st_size == 3
        client.rename("rinex/a.26o", "RINEX/A.26o")
        assert [path.name for path in (node.root / "Station/Rinex").iterdir()] == ["A.26o"]
        client.remove("rinex/a.26O")
        assert not list((node.root / "Station/Rinex").iterdir())


def test_where_case_does_not_count_it_opens_no_denied_folder(node):
    (node.root / "Station/Private/secret").write_bytes(b"secret")
    with connected(node) as client:
        for act in (client.stat, client.listdir, client.remove, lambda path: client.rename(path, "mine")):
            with pytest.raises(FileNotFoundError):
                act("pRIVATE/secret")
        assert "Private" not in client.listdir("/")


def test_a_rename_brings_nothing_out_of_a_denied_folder_nor_into_it(node):
    with connected(node) as client:
        client.open("brought", "w").close()
        for rename in (client.rename, client.posix_rename):
            with pytest.raises(PermissionError):
                rename("DEEP", "shallow")
            with pytest.raises(FileNotFoundError):
                rename("brought", "deep/PRIVATE/brought")
    assert (node.root / "Station/deep/private").is_dir()


def test_latin1_names_are_latin1_on_the_wire_and_utf8_on_the_disk(node):
    with raw(node) as client:
        assert client.close(client.open(b"K\xf6ln.rnx"))[0] == 0
        assert (node.root / "Station/Köln.rnx").exists()
        (node.root / "Station/€.rnx").write_bytes(b"")
        client.request(16, 5, b"K\xf6ln.rnx")
        assert b"/K\xf6ln.rnx" in client.receive()[1]
        client.request(11, 6, b"/")
        handle = client.receive()[1][8:]
        client.request(12, 7, handle)
        listing = client.receive()[1]
    assert b"K\xf6ln.rnx" in listing
    assert b"?.rnx" in listing


def test_names_that_are_not_utf8_are_refused(node):
    with raw(node, "lansurvey") as client:
        assert client.open(b"K\xf6ln.rnx") == (FAILURE, "This name is not allowed: the name is not valid UTF-8.")
        assert client.open(b"line\nfeed") == (FAILURE, "This name is not allowed: the name has a control character.")
        assert client.open(b"x" * 300)[0] == FAILURE


def test_a_backslash_may_be_a_letter(node):
    with connected(node, "lansurvey") as client:
        client.open("a\\b", "w").close()
        assert client.listdir("/") == ["a\\b"]
        client.remove("a\\b")


def test_nothing_replaces_where_the_account_does_not_want_it(node):
    with connected(node, "lansurvey") as client:
        for name in ("one", "two"):
            client.open(name, "w").close()
        for rename in (client.rename, client.posix_rename):
            with pytest.raises(OSError, match="already an entry"):
                rename("one", "two")
        client.posix_rename("one", "three")
    with connected(node) as client:
        for name in ("one", "two"):
            client.open(name, "w").close()
        with pytest.raises(OSError, match="already an entry"):
            client.rename("one", "two")
        client.posix_rename("one", "two")
