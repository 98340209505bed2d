"""Which files were renamed, as a table."""

import pytest

from replicator.core.head import Kind
from replicator.core.moved import moved
from replicator.core.place import Row


def row(inode, size_bytes=10, mtime_ns=5, ctime_ns=0, kind=Kind.FILE):
    return Row(kind=kind, content_id="c", size_bytes=size_bytes, mtime_ns=mtime_ns, inode=inode, ctime_ns=ctime_ns)


@pytest.mark.parametrize(
    ("gone", "seen", "names"),
    [
        ({"a": row(1)}, {"b": row(1)}, {"a": "b"}),
        ({"a": row(1, ctime_ns=1)}, {"b": row(1, ctime_ns=2)}, {"a": "b"}),  # which every rename changes
        ({"a": row(1), "b": row(2)}, {"c": row(2), "d": row(1), "e": row(3)}, {"a": "d", "b": "c"}),
        ({"a": row(1), "b": row(1)}, {"c": row(1)}, {"a": "c", "b": "c"}),  # two names of one file
        ({"a": row(1)}, {"b": row(2)}, {}),  # a copy is another file
        ({"a": row(1)}, {"b": row(1, size_bytes=11)}, {}),  # its writer has what was there before his eyes
        ({"a": row(1)}, {"b": row(1, mtime_ns=6)}, {}),
        ({"a": row(1)}, {"b": row(1, kind=Kind.DIRECTORY)}, {}),
        ({"a": row(1)}, {}, {}),
        ({}, {"b": row(1)}, {}),
    ],
)
def test_a_renamed_file_is_known_by_what_a_rename_keeps(gone, seen, names):
    assert moved(gone, seen) == names
