"""Whatever a client writes, it stays in its home and out of the reserved folder."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.tree_path import RESERVED, complaint
from ftpnode.core.client_path import PathRefusedError, tree_path, view_path

PIECES = st.sampled_from(
    ["..", ".", "", "a", "b c", RESERVED, "\\", "/", "//", "..\\..", "é", "\0", "\n", "\udcff", "-", "~"]
)
TEXTS = st.lists(PIECES, max_size=8).map("/".join) | st.text(max_size=30)
HOMES = st.sampled_from(["", "Station", "Data/deep"])


@given(TEXTS, TEXTS)
def test_a_view_path_is_absolute_and_canonical(cwd, text):
    path = view_path(view_path("/", cwd), text)
    assert path.startswith("/")
    assert not any(name in {"", ".", ".."} for name in path[1:].split("/") if path != "/")
    assert "\\" not in path


@given(TEXTS, TEXTS)
def test_a_view_path_means_itself(cwd, text):
    path = view_path(view_path("/", cwd), text)
    assert view_path("/elsewhere", path) == path


@example("", "/", "..\\..\\" + RESERVED + "/staging")
@example("Station", "/", "/../Data")
@given(HOMES, TEXTS, TEXTS)
def test_a_tree_path_lies_in_the_home_and_not_in_the_reserved_folder(home, cwd, text):
    try:
        path = tree_path(home, view_path(view_path("/", cwd), text))
    except PathRefusedError:
        return
    assert path == home or complaint(path) is None
    assert not home or path == home or path.startswith(home + "/")
    assert path.split("/")[0] != RESERVED


@pytest.mark.parametrize(
    ("cwd", "text", "path"),
    [
        ("/", "a", "/a"),
        ("/a", "b", "/a/b"),
        ("/a", "/b", "/b"),
        ("/a", "..", "/"),
        ("/", "../..", "/"),
        ("/a/b", "../c/", "/a/c"),
        ("/", "\\Data_Files\\Trimble\\", "/Data_Files/Trimble"),
        ("/a", "", "/a"),
        ("/a", ".", "/a"),
    ],
)
def test_view_paths(cwd, text, path):
    assert view_path(cwd, text) == path


@pytest.mark.parametrize(
    "view", [f"/{RESERVED}", f"/{RESERVED}/staging", "/a\nb", "/a\0", "/caf\udce9", "/" + "x" * 256]
)
def test_refused_names(view):
    with pytest.raises(PathRefusedError):
        tree_path("", view)


def test_the_reserved_name_is_free_below_a_home():
    assert tree_path("Station", f"/{RESERVED}") == f"Station/{RESERVED}"
