"""Two names that are one on Windows: clients cannot make them where the settings say so, and none is ever lost."""

import asyncio

import msgspec
import pytest

from cluster.publish import CheckName, Done, MakeDirectory, Reason, Refused, Remove, Rename
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink
from tests.replicator.publish.test_publishing import QUICK, desk

pytestmark = pytest.mark.asyncio
REFUSE = msgspec.structs.replace(QUICK, names="refuse")


async def made(here):
    """A file in a folder."""
    assert isinstance(await here.upload("Data/a", b"first", nodes="local"), Done)


async def upload(here, path):
    return await here.upload(path, b"second", nodes="local")


PAIRS = {
    "a file": lambda here: upload(here, "Data/A"),
    "a file with a dot at its end": lambda here: upload(here, "Data/a."),
    "a file in a folder in other case": lambda here: upload(here, "data/x"),
    "a file under a folder's name": lambda here: upload(here, "DATA"),
    "a folder": lambda here: here.ask(MakeDirectory(id=1, path="DATA")),
    "a folder under a file's name": lambda here: here.ask(MakeDirectory(id=1, path="Data/A")),
    "a rename": lambda here: here.ask(Rename(id=1, source="other", target="Data/A")),
}
NO_PAIRS = {
    "the same file again": (lambda here: upload(here, "Data/a"), {"Data/a": b"second"}),
    "another file": (lambda here: upload(here, "Data/b"), {"Data/a": b"first", "Data/b": b"second"}),
    "a file that changes its case": (
        lambda here: here.ask(Rename(id=1, source="Data/a", target="Data/A")),
        {"Data/A": b"first"},
    ),
    "a folder that changes its case": (
        lambda here: here.ask(Rename(id=1, source="Data", target="DATA")),
        {"DATA/a": b"first"},
    ),
}


@pytest.mark.parametrize("what", PAIRS)
async def test_a_pair_is_refused_and_nothing_changes(tmp_path, what):
    async with desk(tmp_path, replication=REFUSE) as here:
        await made(here)
        await upload(here, "other")
        before = tree(here.root)
        answer = await PAIRS[what](here)
        assert isinstance(answer, Refused)
        assert answer.reason is Reason.NAMESAKE
        assert tree(here.root) == before
        assert here.staged == []


async def test_whether_a_name_may_be_is_told_beforehand_and_changes_nothing(tmp_path):
    async with desk(tmp_path, replication=REFUSE) as here:
        await made(here)
        for path in ("Data/A", "Data/a.", "data/x", "DATA"):
            assert (await here.ask(CheckName(id=1, path=path))).reason is Reason.NAMESAKE
        for path in ("Data/a", "Data/b", "Data/B"):
            assert isinstance(await here.ask(CheckName(id=1, path=path)), Done)
    async with desk(tmp_path) as here:
        assert isinstance(await here.ask(CheckName(id=1, path="Data/A")), Done)


@pytest.mark.parametrize("what", NO_PAIRS)
async def test_what_makes_no_pair_is_done(tmp_path, what):
    change, shown = NO_PAIRS[what]
    async with desk(tmp_path, replication=REFUSE) as here:
        await made(here)
        assert isinstance(await change(here), Done)
        assert {path: content for path, content in tree(here.root).items() if content is not None} == shown


@pytest.mark.parametrize("what", PAIRS)
async def test_names_are_exact_unless_the_settings_say_otherwise(tmp_path, what):
    async with desk(tmp_path) as here:
        await made(here)
        await upload(here, "other")
        assert isinstance(await PAIRS[what](here), Done)
        assert here.replica.index.namesakes.count > 0


async def test_of_two_uploads_at_once_one_is_refused(tmp_path):
    async with desk(tmp_path, FakeLink("a"), replication=REFUSE) as here:
        contents = {"up-a": ("a", b"one"), "up-b": ("A", b"two")}
        for staged, (_, content) in contents.items():
            (here.replica.staging.folder / staged).write_bytes(content)
        answers = await asyncio.gather(
            *(here.upload(path, content, staged=staged) for staged, (path, content) in contents.items())
        )
        (refused,) = [answer for answer in answers if isinstance(answer, Refused)]
        assert refused.reason is Reason.NAMESAKE
        assert len(tree(here.root)) == 1


async def test_a_pair_that_stands_can_be_replaced_and_removed(tmp_path):
    async with desk(tmp_path, replication=REFUSE) as here:
        for name in ("a", "A"):
            (here.root / name).write_bytes(name.encode())
            await here.replica.rescan(name)
        assert here.replica.index.namesakes.groups(9) == (("A", "a"),)
        assert isinstance(await upload(here, "a"), Done)
        assert isinstance(await here.ask(Remove(id=1, path="A", kind="file")), Done)
        assert tree(here.root) == {"a": b"second"}
        assert here.replica.index.namesakes.count == 0
