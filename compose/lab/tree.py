"""What stands on one node's disk: every visible path with its content id, and the contents in the conflict store."""

import os
from pathlib import Path

import msgspec

from cluster.content_id import content_id_of_file
from cluster.tree_path import CONFLICTS, RESERVED

FOLDER = "folder"


class Tree(msgspec.Struct, frozen=True):
    """`entries` maps tree paths to content ids (FOLDER for folders); `kept` are the contents of conflict losers."""

    entries: dict[str, str]
    kept: frozenset[str]


def read_tree(root: Path) -> Tree:
    """Read every byte below `root`; the reserved folder counts only for its conflict store.

    The tree may change meanwhile: a file that vanishes between its listing and its reading is left out.
    """
    entries: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here == root and RESERVED in folders:
            folders.remove(RESERVED)
        for name in folders:
            entries[str((here / name).relative_to(root))] = FOLDER
        for name in files:
            if content_id := _content_id(here / name):
                entries[str((here / name).relative_to(root))] = content_id
    kept = (_content_id(path) for path in sorted((root / CONFLICTS).rglob("*")) if path.is_file())
    return Tree(entries, frozenset(content_id for content_id in kept if content_id))


def differences(trees: dict[str, Tree]) -> dict[str, dict[str, str]]:
    """The paths that are not alike everywhere, each with what every node has (nothing: "absent")."""
    paths = set().union(*(tree.entries for tree in trees.values()))
    return {
        path: {node: tree.entries.get(path, "absent") for node, tree in trees.items()}
        for path in sorted(paths)
        if len({tree.entries.get(path) for tree in trees.values()}) > 1
    }


def _content_id(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return content_id_of_file(file)
    except FileNotFoundError:
        return None
