"""Tree paths: canonical, inside the root, never Tripod's own folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.tree_path import is_below, is_tree_path, on_disk, parent, parents


@pytest.mark.parametrize(
    "path", ["Station", "Station/ABCD/2026/326/x.crx.gz", "a b", "ü/ø", "..a", ".hidden", "a/.tripod"]
)
def test_ordinary_paths_are_good(path: str) -> None:
    assert is_tree_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\nb", "a\0b", "a\x7f", ".tripod"),
        *(".tripod/staging/x", "n" * 256, "a/" * 2500 + "a", "caf\udce9"),
    ],
)
def test_anything_else_is_refused(path: str) -> None:
    assert not is_tree_path(path)


@given(st.text(st.sampled_from("ab./\\\n\0é"), max_size=12))
def test_a_good_path_stays_in_the_root(path: str) -> None:
    if is_tree_path(path):
        there = on_disk(Path("/root"), path)
        assert there.is_relative_to("/root")
        assert ".." not in there.parts


def test_folders_of_a_path() -> None:
    assert parents("a/b/c") == ("a", "a/b")
    assert parent("a/b/c") == "a/b"
    assert parent("a") == ""
    assert is_below("a/b", "a")
    assert is_below("a", "")
    assert not is_below("ab", "a")
