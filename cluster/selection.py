"""Decides which paths are replicated: all but those that a pattern excludes and none includes.

`*.tmp` is a name at any depth; with a slash the whole path from the root is meant: `scratch/**`, `*/raw/*.log`. `*` and
`?` stay within a name, `**` is any number of folders, `[0-9]` one character. What is below an excluded folder is
excluded too.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Final

from cluster.tree_path import RESERVED

MAX_PATTERNS: Final = 200
MAX_PATTERN_BYTES: Final = 500
MATCHES_EVERYTHING: Final = "matches everything"
_PIECES: Final = re.compile(r"\*\*/|/\*\*\Z|\*+|\?|\[[^\]/]+\]|[^*?\[]|\[")
_SOME_PATHS: Final = ("a", "station.26o", "Data/2026/x.rnx")


def wrong_pattern(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    if not pattern or len(pattern.encode(errors="replace")) > MAX_PATTERN_BYTES or not pattern.isprintable():
        return f"is empty, longer than {MAX_PATTERN_BYTES} bytes, or has a character that no name has"
    if pattern.startswith("/") or pattern.endswith("/") or "//" in pattern:
        return "begins or ends with a slash or has an empty name; `scratch/**` is all below a folder of the root"
    names = pattern.split("/")
    if "." in names or ".." in names or names[0] == RESERVED:
        return f"names `.`, `..` or {RESERVED}, which no path in the tree has"
    if any("**" in name and name != "**" for name in names):
        return "has `**` beside other characters; it stands alone between slashes"
    try:
        compiled = re.compile(_regex(pattern))
    except re.error as error:
        return f"cannot be read: {error}"
    return MATCHES_EVERYTHING if all(compiled.match(path) for path in _SOME_PATHS) else None


def excluder(exclude: Sequence[str], include: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is not replicated, by patterns that are right."""
    if not exclude:
        return _nothing
    excluded, included = _any_of(exclude), _any_of(include)

    @functools.lru_cache(maxsize=10_000)
    def excludes(path: str) -> bool:
        return excluded.match(path) is not None and not (include and included.match(path))

    return excludes


def _nothing(_path: str) -> bool:
    return False


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(_regex(pattern) for pattern in patterns))


def _regex(pattern: str) -> str:
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return f"{anywhere}{''.join(_piece(piece) for piece in _PIECES.findall(pattern))}(?:/.*)?\\Z"


def _piece(piece: str) -> str:
    match piece:
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "/.*"
        case "?":
            return "[^/]"
        case _ if set(piece) == {"*"}:
            return "[^/]*" if piece == "*" else ".*"
        case _ if len(piece) > 1:
            return "[" + piece[1:-1].replace("\\", "\\\\").replace("[", "\\[").replace("!", "^", piece[1] == "!") + "]"
        case _:
            return re.escape(piece)
