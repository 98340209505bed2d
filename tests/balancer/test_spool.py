"""The spool: what one upload holds and in which places, and how memory goes from one upload to the next."""

import asyncio
import errno
import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer import spool_memory
from balancer.spool import Spool, SpoolBudget
from balancer.spool_memory import SEGMENT_BYTES, SpoolMemory
from cluster.balancer_settings import Spool as Settings
from cluster.problem import ConfigError
from tests.kit.wait import until

MEMORY_BYTES = 3 * SEGMENT_BYTES


@pytest.fixture(autouse=True)
def _cooled_by_hand(monkeypatch):
    monkeypatch.setattr(SpoolMemory, "_cool_later", lambda _: None)


@pytest.fixture(scope="module")
def budget(tmp_path_factory):
    return SpoolBudget(Settings(folder=tmp_path_factory.mktemp("spool"), memory_bytes=MEMORY_BYTES))


def put(spool, content):
    """As an upload does it: into memory while it takes something, then into the file."""
    left = memoryview(content)
    while left:
        if room := spool.memory_room():
            count = min(len(room), len(left))
            room[:count] = left[:count]
        else:
            part = spool.file_room()
            with open(part.file, "r+b", buffering=0, closefd=False) as file:
                file.seek(part.offset_bytes)
                count = file.write(left[: part.count_bytes])
        spool.grew(count)
        left = left[count:]


def held(spool, offset_bytes=0):
    found = b""
    while offset_bytes + len(found) < spool.size_bytes:
        part = spool.part(offset_bytes + len(found))
        if isinstance(part, memoryview):
            found += part
        else:
            with open(part.file, "rb", buffering=0, closefd=False) as file:
                file.seek(part.offset_bytes)
                found += file.read(part.count_bytes)
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from([1, 1000, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES]), max_size=5
    ),
    st.integers(0, 2),
    st.floats(0, 1),
)
def test_it_gives_back_from_every_offset_what_was_put_in_wherever_that_lies(budget, sizes, held_by_others, share):
    others = [budget.memory.take() for _ in range(held_by_others)]
    spool = Spool(budget)
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        put(spool, piece)
    whole = b"".join(pieces)
    offset_bytes = int(share * len(whole))
    assert held(spool) == whole
    assert held(spool, offset_bytes) == whole[offset_bytes:]
    spool.free()
    budget.memory.give_back(others)
    assert budget.used_bytes == 0


def test_two_uploads_never_share_memory(budget):
    one, other = Spool(budget), Spool(budget)
    put(one, b"1" * 100)
    put(other, b"2" * 100)
    put(one, b"1" * 100)
    assert (held(one), held(other)) == (b"1" * 200, b"2" * 100)
    one.free()
    other.free()


def test_the_next_upload_gets_the_memory_of_the_last(budget):
    warm_bytes = []
    for _ in range(5):
        spool = Spool(budget)
        put(spool, b"x" * (SEGMENT_BYTES + 1))
        spool.free()
        warm_bytes.append(budget.memory.warm_bytes)
    assert len(set(warm_bytes)) == 1


def test_memory_that_nobody_needed_for_a_while_goes_back_to_the_system():
    memory = SpoolMemory(MEMORY_BYTES)
    first, second, third = memory.take(), memory.take(), memory.take()
    memory.view(second, 0, 1)[:] = b"x"
    memory.give_back([first, second, third])
    memory.cool()
    assert memory.warm_bytes == MEMORY_BYTES, "it was lent since the last time"
    memory.give_back([memory.take()])
    memory.cool()
    assert memory.warm_bytes == SEGMENT_BYTES, "two were not"
    memory.cool()
    assert memory.warm_bytes == 0
    assert bytes(memory.view(second, 0, 1)) == b"\0"


def test_what_is_lent_is_never_taken_away():
    memory = SpoolMemory(MEMORY_BYTES)
    lent = memory.take()
    memory.view(lent, 0, 4)[:] = b"kept"
    for _ in range(3):
        memory.cool()
    assert bytes(memory.view(lent, 0, 4)) == b"kept"
    assert [memory.take(), memory.take(), memory.take()].count(None) == 1


@pytest.mark.asyncio
async def test_the_system_gets_it_back_in_time(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(spool_memory, "_COOL_S", 0.01)
    memory = SpoolMemory(MEMORY_BYTES)
    memory.give_back([memory.take()])
    await asyncio.to_thread(until, lambda: memory.warm_bytes == 0, "nothing is warm")


def test_without_memory_everything_lies_in_the_file(tmp_path):
    spool = Spool(SpoolBudget(Settings(folder=tmp_path, memory_bytes=0)))
    put(spool, b"abc")
    assert not isinstance(spool.part(0), memoryview)
    assert held(spool) == b"abc"
    spool.free()


def test_more_memory_than_the_system_promises_is_a_mistake_in_the_settings(tmp_path, monkeypatch):
    def refused(*_arguments, **_more):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(ConfigError) as told:
        SpoolBudget(Settings(folder=tmp_path, memory_bytes=1 << 50))
    (problem,) = told.value.problems
    assert (problem.where, problem.fix) == ("balancer.spool.memory_bytes", "make it smaller")


def test_what_one_upload_holds_is_room_that_others_lack(tmp_path):
    budget = SpoolBudget(Settings(folder=tmp_path, session_bytes=70, total_bytes=100))
    one, other = Spool(budget), Spool(budget)
    rooms = [(one.room_bytes, other.room_bytes)]
    for step in (lambda: one.grew(60), lambda: other.grew(30), one.free, other.free):
        step()
        rooms.append((one.room_bytes, other.room_bytes))
    assert rooms == [(70, 70), (10, 40), (10, 10), (70, 40), (70, 70)]
    assert budget.used_bytes == 0


def test_a_folder_that_gives_no_file_leaves_no_room_beyond_memory(tmp_path):
    budget = SpoolBudget(Settings(folder=tmp_path / "missing", memory_bytes=SEGMENT_BYTES))
    spool = Spool(budget)
    put(spool, b"x" * SEGMENT_BYTES)
    assert not spool.memory_room()
    assert spool.file_room() is None
    spool.free()
