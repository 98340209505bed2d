"""Changes over SFTP: through the publisher, by the account's rights, with FTP's own refusals."""

import os

import paramiko
import pytest

from cluster.publish import Fetch, MakeDirectory, Reason, Remove, Rename, SetMtime
from tests.ftpnode.fake_replicator import lost_everywhere, refuse
from tests.ftpnode.sftp.clients import connected, raw
from tests.kit.wait import until

DENIED = 3


@pytest.fixture
def folder(door):
    folder = door[0].root / "Station/changes"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        (folder / name).write_bytes(name.encode())
    return folder


def kinds(replicator):
    return [type(request) for request in replicator.seen]


def test_a_file_is_renamed_removed_and_a_directory_made_and_removed(door, station, folder):
    _, replicator = door
    station.rename("changes/one", "changes/three")
    station.remove("changes/three")
    station.mkdir("changes/made")
    station.rmdir("changes/made")
    assert kinds(replicator) == [Rename, Remove, MakeDirectory, Remove]
    assert sorted(path.name for path in folder.iterdir()) == ["sub", "two"]


@pytest.mark.usefixtures("folder")
def test_a_plain_rename_asks_not_to_replace_and_a_posix_rename_does(door, station):
    _, replicator = door
    station.rename("changes/one", "changes/two")
    station.posix_rename("changes/two", "changes/sub/one")
    assert [(request.target, request.replace) for request in replicator.seen] == [
        ("Station/changes/two", False),
        ("Station/changes/sub/one", True),
    ]


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_changed_is_refused_with_a_reason(station):
    refusals = [
        (lambda: station.remove("changes/sub"), "Not a file"),
        (lambda: station.rmdir("changes/one"), "Not a directory"),
        (lambda: station.mkdir("changes/one"), "already an entry"),
        (lambda: station.mkdir("/"), "already an entry"),
        (lambda: station.rmdir("/"), "This is your home"),
        (lambda: station.rename("/", "x"), "This is your home"),
        (lambda: station.rename("changes/one", "/"), "This is your home"),
        (lambda: station.truncate("changes/one", 1), "on an open file alone"),
        (lambda: station.symlink("changes/one", "changes/link"), "no links"),
    ]
    for act, text in refusals:
        with pytest.raises(OSError, match=text):
            act()
    for act in (
        lambda: station.remove("changes/absent"),
        lambda: station.rmdir("changes/absent"),
        lambda: station.rename("changes/absent", "changes/x"),
        lambda: station.rename("changes/one", "absent/x"),
        lambda: station.mkdir("absent/x"),
        lambda: station.utime("changes/absent", (1, 1)),
    ):
        with pytest.raises(FileNotFoundError):
            act()


def test_what_this_disk_lacks_is_removed_without_being_fetched_for_no_node_may_have_it(door, station):
    _, replicator = door
    replicator.behave(lost_everywhere)
    with pytest.raises(OSError, match="not ready"):
        station.open("lost")
    station.remove("lost")
    station.rmdir("lost")
    assert kinds(replicator) == [Fetch, Remove, Remove]


def test_a_refused_change_is_refused_to_the_client(door, station, folder):
    _, replicator = door
    replicator.behave(refuse(Reason.TOO_FEW_COPIES))
    for act in (lambda: station.remove("changes/one"), lambda: station.mkdir("changes/more")):
        with pytest.raises(OSError, match="Too few nodes"):
            act()
    assert (folder / "one").exists()


def test_a_time_is_set_through_the_publisher_and_owner_and_mode_are_not_kept(door, station, folder):
    _, replicator = door
    station.utime("changes/one", (5, 1_600_000_000))
    station.chmod("changes/one", 0o777)
    station.chown("changes/one", 0, 0)
    station.utime("changes/sub", (5, 5))
    (request,) = replicator.seen
    assert isinstance(request, SetMtime)
    assert (request.path, request.mtime_ns) == ("Station/changes/one", 1_600_000_000_000_000_000)
    assert (folder / "one").stat().st_mode & 0o777 == 0o644


def test_a_time_set_on_an_open_upload_is_that_of_the_published_file(door, station):
    _, replicator = door
    with station.open("timed.rnx", "w") as file:
        file.write(b"1")
        file.utime((5, 1_600_000_000))
        file.chmod(0o600)
        assert file.stat().st_mtime == 1_600_000_000
    assert replicator.seen[0].mtime_ns == 1_600_000_000_000_000_000


@pytest.mark.usefixtures("folder")
def test_without_the_right_nothing_is_changed(door):
    node, replicator = door
    data = node.root / "Data"
    (data / "product").write_bytes(b"1")
    (data / "folder").mkdir(exist_ok=True)
    with connected(node, "lansurvey") as client:  # reads and writes, no more
        client.stat("product")
        for act in (
            lambda: client.remove("product"),
            lambda: client.rmdir("folder"),
            lambda: client.mkdir("more"),
            lambda: client.rename("product", "other"),
            lambda: client.posix_rename("product", "other"),
        ):
            with pytest.raises(PermissionError):
                act()
        client.utime("product", (1, 1))
    assert kinds(replicator) == [SetMtime]


def test_a_read_only_account_writes_nothing(read_only):
    with raw(read_only, "lansurvey") as client:
        assert client.open(b"x")[0] == DENIED
        assert client.open(b"product", 2 | 1)[0] == DENIED
    with connected(read_only, "lansurvey") as client:
        with client.open("product") as file:
            assert file.read() == b"1"
            for act in (lambda: file.truncate(0), lambda: file.utime((1, 1))):
                with pytest.raises(PermissionError):
                    act()
        for act in (lambda: client.utime("product", (1, 1)), lambda: client.truncate("product", 0)):
            with pytest.raises(PermissionError):
                act()


def test_an_account_that_may_only_write_reads_nothing(read_only):
    with raw(read_only, "station") as client:
        assert client.close(client.open(b"written"))[0] == 0
        assert client.open(b"written", 1)[0] == DENIED
        assert client.open(b"written", 1 | 2)[0] == DENIED
        client.request(17, 5, b"written")
        assert client.status()[0] == DENIED


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    """A node where `lansurvey` may only read and `station` only write."""
    from tests.ftpnode.running import running
    from tests.ftpnode.sftp.clients import with_sftp
    from tests.kit.cluster_folder import write_cluster

    cluster = write_cluster(tmp_path_factory.mktemp("read-only"), nodes=1, replication="none")
    rights = {"lansurvey": {"rights": ["read"]}, "station": {"rights": ["write"]}}
    with running(with_sftp(cluster, accounts=rights)) as node:
        (node.root / "Data").mkdir(exist_ok=True)
        (node.root / "Data/product").write_bytes(b"1")
        yield node


def test_a_denied_folder_is_not_there_under_any_spelling(door):
    node, replicator = door
    private = node.root / "Data/private"
    private.mkdir(exist_ok=True)
    (private / "secret").write_bytes(b"secret")
    with connected(node, "lansurvey") as client, raw(node, "lansurvey") as rough:
        assert "private" not in client.listdir("/")
        for path in ("private/secret", "/private/secret", "x/../private/secret", "\\private\\secret"):
            for act in (client.stat, client.open, client.listdir):
                with pytest.raises(FileNotFoundError):
                    act(path)
            with pytest.raises(FileNotFoundError):
                client.utime(path, (1, 1))
            assert rough.open(path.encode())[0] == 2
    assert not replicator.seen
    assert (private / "secret").read_bytes() == b"secret"


def test_what_a_local_publisher_does_is_on_the_disk(read_only, tmp_path):
    file = tmp_path / "local"
    file.write_bytes(b"content")
    with paramiko.Transport((read_only.host, 2022)) as transport:
        transport.connect(username="station", password=read_only.cluster.passwords["station"])
        client = paramiko.SFTPClient.from_transport(transport)
        with client.open("timed", "w") as out:
            out.write(b"1")
            out.utime((1, 1_600_000_000))
        found = read_only.root / "Station/timed"
        assert found.stat().st_mtime == 1_600_000_000
        os.utime(found, (7, 7))
        with client.open("timed", "w") as out:
            out.write(b"1")
            out.utime((1, 1_600_000_001))
        until(lambda: found.stat().st_mtime == 1_600_000_001, "the same content with a new time")
