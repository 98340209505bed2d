"""Content from blocks: what is here is never asked for, and what a peer says of its blocks must make sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.recipe import BadBlocksError, Block, Run, check, missing_bytes, pack, recipe, unpack

A, B, C, D = (Block(size, bytes([size]) * 16) for size in (10, 20, 30, 40))


@pytest.mark.parametrize(
    ("wanted", "sources", "runs"),
    [
        ((), [], ()),
        ((A, B), [], (Run(0, 30),)),
        ((A, B), [(A, B)], (Run(0, 30, 0, 0),)),
        ((A, C, B), [(A, B)], (Run(0, 10, 0, 0), Run(10, 30), Run(40, 20, 0, 10))),
        ((B, A), [(A, B)], (Run(0, 20, 0, 10), Run(20, 10, 0, 0))),
        ((A, B, C), [(B,), (A, B, C)], (Run(0, 10, 1, 0), Run(10, 20, 0, 0), Run(30, 30, 1, 30))),
        ((A, A), [(A,)], (Run(0, 10, 0, 0), Run(10, 10, 0, 0))),
        ((D, C, A), [(A,)], (Run(0, 70), Run(70, 10, 0, 0))),
    ],
)
def test_a_recipe_takes_what_is_here_and_asks_for_the_rest(wanted, sources, runs):
    assert recipe(wanted, sources) == runs


ANY_BLOCKS = st.lists(st.sampled_from((A, B, C, D)), max_size=12)


@given(wanted=ANY_BLOCKS, sources=st.lists(ANY_BLOCKS, max_size=3))
def test_carrying_out_a_recipe_gives_the_content(wanted, sources):
    def content(blocks):
        return b"".join(block.digest[:1] * block.size_bytes for block in blocks)

    made, whole, files = b"", content(wanted), [content(blocks) for blocks in sources]
    for run in recipe(wanted, sources):
        assert run.offset == len(made)
        source, at = (whole, run.offset) if run.source is None else (files[run.source], run.at)
        made += source[at : at + run.size_bytes]
    assert made == whole
    known = {block for blocks in sources for block in blocks}
    assert missing_bytes(recipe(wanted, sources)) == sum(each.size_bytes for each in wanted if each not in known)


@given(blocks=ANY_BLOCKS)
def test_blocks_come_over_the_wire_as_they_were(blocks):
    assert unpack(pack(blocks)) == blocks


def test_a_torn_list_or_an_empty_block_is_no_block_list():
    for packed in (pack((A, B))[:-1], pack((Block(0, bytes(16)),))):
        with pytest.raises(BadBlocksError):
            unpack(packed)


@pytest.mark.parametrize(
    ("blocks", "size", "whole"),
    [((A, B), 31, True), ((A, B), 29, True), ((A, B), 29, False), ((A,) * 40000, 400000, True)],
)
def test_blocks_that_do_not_make_up_the_content_are_refused(blocks, size, whole):
    with pytest.raises(BadBlocksError):
        check(blocks, size, whole=whole)


def test_the_beginning_of_a_list_is_checked_as_such():
    check((A, B), 100, whole=False)
    check((A, B), 30, whole=True)
