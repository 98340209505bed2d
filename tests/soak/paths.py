"""Where writers meet: a few paths, some of which lie below others of them."""

import random

_GROUPS = 6
_FLAT = ("a", "b", "c", "d")
_DEEP = ("d/x", "d/y", "e/z")
_FOLDERS = ("d", "e")


def shared_path(chance: random.Random) -> str:
    return f"{_group(chance)}/{chance.choice((*_FLAT, *_DEEP))}"


def shared_folder(chance: random.Random) -> str:
    return f"{_group(chance)}/{chance.choice(_FOLDERS)}"


def shared_move(chance: random.Random) -> tuple[str, str]:
    """From where and to where to rename: what may be a folder goes no deeper, or paths would grow without end."""
    names = (*_FLAT, *_DEEP)
    source = chance.choice(names)
    target = chance.choice(names if source in _DEEP else _FLAT)
    return f"{_group(chance)}/{source}", f"{_group(chance)}/{target}"


def all_shared() -> list[str]:
    return [f"shared/g{group}/{name}" for group in range(_GROUPS) for name in (*_FLAT, "e", *_DEEP)]


def _group(chance: random.Random) -> str:
    return f"shared/g{chance.randrange(_GROUPS)}"
