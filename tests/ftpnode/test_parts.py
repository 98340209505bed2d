"""The parts beside the core, each alone: the tree, staging, the local publisher, the client of the replicator."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.content_id import content_id_of
from cluster.publish import Ask, Done, Fetch, MakeDirectory, Publish, Reason, Refused, Remove, Rename, SetMtime
from ftpnode.drain import Drain
from ftpnode.local_publisher import LocalPublisher
from ftpnode.ports import PublisherUnreachableError
from ftpnode.replicator_client import ReplicatorClient
from ftpnode.staging import FLUSH_BYTES, Staging
from ftpnode.tree import TooManyEntriesError, Tree
from ftpnode.verified_passwords import LIFETIME_S, VerifiedPasswords


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "Station").mkdir(parents=True)
    (root / "Station/a.rnx").write_bytes(b"12")
    Staging(root).prepare()
    return root


def staged(root, content):
    file = Staging(root).create()
    file.write(content)
    file.seal()
    return file.name


WRITES = st.lists(st.tuples(st.integers(0, 50), st.binary(max_size=20)), max_size=8)


@given(WRITES, st.integers(0, 60), st.binary(max_size=9))
def test_a_staged_file_written_in_any_order_has_the_content_id_of_what_it_holds(
    tmp_path_factory, writes, cut_bytes, last
):
    staging = Staging(tmp_path_factory.mktemp("order"))
    staging.prepare()
    file, wanted = staging.create(), bytearray()
    for offset, data in writes:
        file.write_at(offset, data)
        if data:
            wanted += bytes(max(0, offset - len(wanted)))
            wanted[offset : offset + len(data)] = data
    if cut_bytes <= len(wanted):
        file.truncate(cut_bytes)
        del wanted[cut_bytes:]
    file.write_at(len(wanted), last)
    wanted += last
    assert file.size_bytes == len(wanted)
    assert file.read_at(0, 1000) == wanted
    file.seal()
    assert (file.content.content_id(), file.content.size_bytes) == (content_id_of(bytes(wanted)), len(wanted))
    assert (staging.folder / file.name).read_bytes() == wanted
    file.discard()


def publish(root, path, content):
    request = Publish(id=1, path=path, staged=staged(root, content), content_id=content_id_of(content),
                      size_bytes=len(content), mtime_ns=5_000_000_000)  # fmt: skip
    return LocalPublisher(root).ask(request, 1.0)


def ask(root, request):
    answer = LocalPublisher(root).ask(request, 1.0)
    return answer.reason if isinstance(answer, Refused) else type(answer)


def test_a_publish_replaces_makes_parents_and_sets_the_time(root):
    assert publish(root, "Station/a.rnx", b"new") == Done(id=1, copies=1, wanted=1)
    assert publish(root, "Home/deep/b.rnx", b"b") == Done(id=1, copies=1, wanted=1)
    assert (root / "Station/a.rnx").read_bytes() == b"new"
    assert (root / "Home/deep/b.rnx").stat().st_mtime == 5
    assert not list((root / ".tripod/staging").iterdir())


def test_a_publish_over_a_directory_is_refused(root):
    answer = publish(root, "Station", b"new")
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.EXISTS


def test_changes_without_a_replicator(root):
    (root / "link").symlink_to("Station")
    assert ask(root, MakeDirectory(id=1, path="Station/d")) is Done
    assert ask(root, MakeDirectory(id=1, path="Station/d")) is Reason.EXISTS
    assert ask(root, MakeDirectory(id=1, path="no/d")) is Reason.NOT_FOUND
    assert ask(root, Rename(id=1, source="Station/a.rnx", target="Station/d")) is Reason.EXISTS
    assert ask(root, Rename(id=1, source="Station/d", target="Station/a.rnx")) is Reason.EXISTS
    assert ask(root, Rename(id=1, source="Station/a.rnx", target="Station/d/b.rnx")) is Done
    assert ask(root, Rename(id=1, source="Station/a.rnx", target="x")) is Reason.NOT_FOUND
    assert ask(root, Remove(id=1, path="Station/d", kind="directory")) is Reason.NOT_EMPTY
    assert ask(root, Remove(id=1, path="Station/d", kind="file")) is Reason.NOT_FOUND
    assert ask(root, Remove(id=1, path="Station/d/b.rnx", kind="directory")) is Reason.NOT_FOUND
    assert ask(root, SetMtime(id=1, path="Station/d/b.rnx", mtime_ns=7_000_000_000)) is Done
    assert (root / "Station/d/b.rnx").stat().st_mtime == 7
    assert ask(root, Remove(id=1, path="Station/d/b.rnx", kind="file")) is Done
    assert ask(root, Remove(id=1, path="Station/d", kind="directory")) is Done
    assert ask(root, Fetch(id=1, path="Station/d")) is Reason.NOT_FOUND
    with pytest.raises(PublisherUnreachableError):
        ask(root, Ask(id=1))


def test_a_rename_may_be_told_not_to_replace(root):
    (root / "Station/b.rnx").write_bytes(b"b")
    request = Rename(id=1, source="Station/a.rnx", target="Station/b.rnx", replace=False)
    assert ask(root, request) is Reason.EXISTS


def test_a_staged_file_hashes_what_it_holds(root):
    file = Staging(root).create()
    file.write(b"1")
    with (root / "Station/a.rnx").open("rb") as source:
        file.copy_from(source, 2)
    assert file.content.content_id() == content_id_of(b"112")
    with (root / "Station/a.rnx").open("rb") as source, pytest.raises(EOFError):
        file.copy_from(source, 100)
    file.discard()
    file.discard()
    assert not list((root / ".tripod/staging").iterdir())


def test_a_large_upload_is_flushed_while_it_arrives_once_for_each_portion_and_one_at_a_time(root):
    file = Staging(root).create()
    portion = bytes(FLUSH_BYTES // 2)
    due = []
    for count in range(7):
        file.write(portion)
        due.append(file.is_flush_due())
        if count == 3:
            file.flush()
    assert due == [False, True, False, False, False, True, False]
    file.flush()
    file.seal()
    file.flush()
    file.discard()


def test_what_a_flush_could_not_write_fails_the_seal(root, monkeypatch):
    def fail(_fd):
        raise OSError(errno.EIO, "the disk failed")

    file = Staging(root).create()
    monkeypatch.setattr("os.fdatasync", fail)
    file.flush()
    with pytest.raises(OSError, match="the disk failed"):
        file.seal()
    file.discard()


def test_a_file_swapped_for_a_link_is_not_followed(root, tmp_path):
    (tmp_path / "outside").write_bytes(b"secret")
    (root / "Station/b").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("..")
    tree = Tree(root)
    for path in ("Station/b", "up/outside"):
        with pytest.raises((FileNotFoundError, NotADirectoryError, OSError), match=r"symbolic|directory"):
            tree.open_file(path)
    with pytest.raises(IsADirectoryError):
        tree.open_file("Station")
    for folder, seen in (("Station", ["a.rnx"]), ("", ["Station"])):
        assert [entry.name for entry in tree.entries(folder, tree.names(folder, 10))] == seen
    with pytest.raises(TooManyEntriesError):
        tree.names("Station", 1)


def test_the_drain_flag_outlives_the_process(tmp_path):
    Drain(tmp_path / "state").drain()
    assert Drain(tmp_path / "state").draining
    Drain(tmp_path / "state").enable()
    assert not Drain(tmp_path / "state").draining


def test_without_a_socket_there_is_no_replicator(tmp_path):
    client = ReplicatorClient(tmp_path / "publish.sock")
    with pytest.raises(PublisherUnreachableError, match="no replicator"):
        client.ask(Ask(id=0), 1.0)
    client.close()


def test_a_verified_password_is_known_for_a_while_and_for_its_own_hash_alone():
    verified = VerifiedPasswords()
    verified.remember("hash", "right", now_s=100.0)
    assert verified.knows("hash", "right", 100.0)
    assert verified.knows("hash", "right", 99.9 + LIFETIME_S)
    assert not verified.knows("hash", "right", 100.0 + LIFETIME_S)
    assert not verified.knows("hash", "wrong", 100.0)
    assert not verified.knows("another hash", "right", 100.0)
    assert not VerifiedPasswords().knows("hash", "right", 100.0)
