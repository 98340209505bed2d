"""What writes out of order owe: never less than what is really missing below the end of the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpnode.core.upload_gaps import owed_after_write


@pytest.mark.parametrize(
    ("owed", "end", "offset", "length", "wanted"),
    [
        (0, 0, 0, 10, 0),
        (0, 10, 10, 10, 0),
        (0, 10, 15, 5, 5),
        (5, 20, 10, 5, 0),
        (5, 20, 10, 50, 0),
        (5, 20, 18, 50, 3),
        (0, 20, 0, 20, 0),
    ],
)
def test_what_is_skipped_is_owed_until_it_is_written(owed, end, offset, length, wanted):
    assert owed_after_write(owed, end, offset, length) == wanted


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_what_is_missing_is_owed_or_was_sent_twice(writes):
    owed, end, written, sent = 0, 0, set(), 0
    for offset, length in writes:
        owed = owed_after_write(owed, end, offset, length)
        end = max(end, offset + length)
        written |= set(range(offset, offset + length))
        sent += length
    assert end - len(written) <= owed + sent - len(written)
