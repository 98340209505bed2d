"""The facts of MLST and MLSD that the replicator knows: off until asked for, one question a slice, never in the way."""

import pytest

from cluster.content_id import content_id_of
from cluster.publish import Copies
from cluster.settings import Right
from ftpnode.commands.folders import SLICE_ENTRIES
from ftpnode.core.listing import Entry, facts_line

DEFAULT = "type*;size*;modify*;perm*;"
COUNT = SLICE_ENTRIES + 20


@pytest.fixture
def folder(pair):
    """A folder with many files and one folder, and a client in it."""
    node, replicator = pair
    here = node.root / "Station/facts"
    if not here.exists():
        (here / "inner").mkdir(parents=True)
        for number in range(COUNT):
            (here / f"{number:04}.rnx").write_bytes(b"%d" % number)
    with node.client() as client:
        assert client.ask("CWD facts").startswith("250")
        yield client, replicator


def mlsd(client):
    listed, reply = client.fetch("", "MLSD")
    assert reply.startswith("226")
    lines = [line.partition(" ") for line in listed.decode().splitlines()]
    return {name: dict(fact.split("=") for fact in facts.split(";") if fact) for facts, _, name in lines}


@pytest.mark.parametrize(
    ("facts", "known", "line"),
    [
        ({"unique", "x.copies"}, Copies("ab", 2), "unique=ab;x.copies=2; a"),
        ({"type", "unique"}, Copies("ab", 2), "type=file;unique=ab; a"),
        ({"type", "unique", "x.copies"}, None, "type=file; a"),
        ({"type"}, Copies("ab", 2), "type=file; a"),
    ],
)
def test_facts_that_are_not_known_are_left_out(facts, known, line):
    entry = Entry("a", is_directory=False, size_bytes=1, mtime_s=0.0)
    assert facts_line(entry, facts, (Right.READ,), known) == line


def test_by_default_nobody_is_asked(folder):
    client, replicator = folder
    assert f"MLST {DEFAULT}unique;x.copies;" in client.ask("FEAT")
    listed = mlsd(client)
    assert len(listed) == COUNT + 1
    assert set(listed["0001.rnx"]) == {"type", "size", "modify", "perm"}
    client.ask("MLST 0001.rnx")
    assert replicator.questions == []


def test_a_large_folder_costs_one_question_a_slice(folder):
    client, replicator = folder
    assert client.ask("OPTS MLST x.copies;UNIQUE;size;") == "200 MLST OPTS size;unique;x.copies;"
    assert "MLST type;size*;modify;perm;unique*;x.copies*;" in client.ask("FEAT")
    listed = mlsd(client)
    assert len(listed) == COUNT + 1
    assert listed["0017.rnx"] == {"size": "2", "unique": content_id_of(b"17"), "x.copies": "2"}
    assert "unique" not in listed["inner"]
    assert [len(question.names) for question in replicator.questions] == [SLICE_ENTRIES, COUNT - SLICE_ENTRIES]
    assert {question.folder for question in replicator.questions} == {"Station/facts"}


def test_mlst_tells_them_of_one_file(folder):
    client, _ = folder
    client.ask("OPTS MLST unique;x.copies;")
    line = client.ask("MLST 0001.rnx").splitlines()[1]
    assert line == f" unique={content_id_of(b'1')};x.copies=2; /facts/0001.rnx"
    assert client.ask("MLST inner").splitlines()[1] == "  /facts/inner"
    assert client.ask("MLST /").splitlines()[1] == "  /"
    assert client.ask("MLST missing").startswith("550")


def test_a_replicator_that_does_not_answer_is_asked_once_and_the_listing_is_whole(folder, monkeypatch):
    client, replicator = folder

    def silent(request):
        replicator.questions.append(request)

    monkeypatch.setattr(replicator, "described_files", silent)
    client.ask("OPTS MLST size;unique;")
    listed = mlsd(client)
    assert len(listed) == COUNT + 1
    assert listed["0017.rnx"] == {"size": "2"}
    assert len(replicator.questions) == 1


def test_without_a_replicator_they_are_not_offered(alone):
    with alone.client() as client:
        client.store("plain.rnx", b"1")
        assert f"MLST {DEFAULT}\r\n" in client.ask("FEAT")
        assert client.ask("OPTS MLST size;unique;x.copies;") == "200 MLST OPTS size;"
        assert client.ask("MLST plain.rnx").splitlines()[1] == " size=1; /plain.rnx"
