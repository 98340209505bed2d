"""Turns a path as a client wrote it into a tree path: never out of the account's home, never into the reserved folder.

Three kinds of path: what the client wrote (`text`), where it stands in the client's view (`/a/b`, where `/` is the
home), and the tree path (`Station/a/b`) that the disk and the replicator know.
"""

from cluster.tree_path import complaint


class PathRefusedError(Exception):
    """The client's path cannot be used; the message says why in a few words."""


def view_path(cwd: str, text: str, *, backslashes: bool = True) -> str:
    r"""The absolute, canonical path in the client's view of `text`, written while in the view path `cwd`.

    A backslash separates names as a slash does where `backslashes`: receivers of one maker document `\Data\Station\`.
    `..` stops at `/`.
    """
    if backslashes:
        text = text.replace("\\", "/")
    names = [] if text.startswith("/") else cwd.split("/")
    names += text.split("/")
    kept: list[str] = []
    for name in names:
        if name == "..":
            del kept[-1:]
        elif name not in {"", "."}:
            kept.append(name)
    return "/" + "/".join(kept)


def tree_path(home: str, view: str) -> str:
    """The tree path of the view path `view` for an account whose home (a tree path, may be "") is the view's `/`.

    PathRefusedError when no entry may have that path.
    """
    path = f"{home}{view}".strip("/")
    wrong = complaint(path) if path else None
    if wrong:
        raise PathRefusedError(wrong)
    return path
