"""Content is cut by itself: alike however it comes, and alike again soon after a change."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.cutting import MAX_BLOCKS, Cutter, average_bytes

AVERAGE = 64 << 10
CONTENT = random.Random(1).randbytes(3_000_000)


def lengths(content, average=AVERAGE, pieces=()):
    cutter, ends, offset = Cutter(average), [], 0
    for size in (*pieces, len(content)):
        piece = content[offset : offset + size]
        ends += [offset + cut for cut in cutter.cuts(piece)]
        offset += len(piece)
    return [end - start for start, end in zip([0, *ends], [*ends, len(content)], strict=True)]


@given(pieces=st.lists(st.integers(min_value=0, max_value=400_000), max_size=12))
def test_how_content_comes_does_not_matter(pieces):
    content = CONTENT[:1_500_000]
    assert lengths(content, pieces=pieces) == lengths(content)


def test_blocks_are_neither_short_nor_long_and_about_as_long_as_asked_for():
    found = lengths(CONTENT)
    assert all(AVERAGE // 4 <= length <= 4 * AVERAGE for length in found[:-1])
    assert AVERAGE / 2 < len(CONTENT) / len(found) < 2 * AVERAGE


@pytest.mark.parametrize("content", [bytes(2_000_000), b"ab" * 1_000_000, b"x" * 65536], ids=["zeros", "ab", "short"])
def test_content_without_marks_is_cut_at_the_longest_block(content):
    found = lengths(content)
    assert sum(found) == len(content)
    assert max(found) <= 4 * AVERAGE


@pytest.mark.parametrize("average", [2 * AVERAGE, 8 * AVERAGE])
def test_larger_content_has_longer_blocks(average):
    found = lengths(CONTENT * 4, average)
    assert average / 2 < len(CONTENT) * 4 / len(found) < 2.5 * average


@pytest.mark.parametrize("inserted", [b"!", random.Random(2).randbytes(100_000)])
@pytest.mark.parametrize("at", [0, 1_234_567, 2_999_999])
def test_after_an_insertion_the_cuts_are_the_same_again(inserted, at):
    before, after = CONTENT, CONTENT[:at] + inserted + CONTENT[at:]
    common = blocks(before) & blocks(after)
    assert sum(map(len, common)) > len(before) - 10 * AVERAGE


def blocks(content):
    found, start = set(), 0
    for length in lengths(content):
        found.add(content[start : start + length])
        start += length
    return found


@pytest.mark.parametrize("size", [1, 10**6, 500 * 10**6, 10**12, 10**15])
def test_no_content_has_more_blocks_than_a_list_may_have(size):
    assert size // (average_bytes(size) // 4) + 1 <= MAX_BLOCKS


def test_a_change_in_half_a_gigabyte_costs_little():
    assert average_bytes(500 * 10**6) == AVERAGE
