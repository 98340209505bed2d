"""Paths in messages between processes of one host: MessagePack has none, so they go as text (msgspec's hooks)."""

from pathlib import Path
from typing import Any


def path_as_text(value: Any) -> str:
    """For `enc_hook`: a path as text; NotImplementedError, as msgspec wants it, for anything else."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value)} in a message")


def path_from_text(kind: type, value: Any) -> Path:
    """For `dec_hook`: the path that a text was; NotImplementedError, as msgspec wants it, for any other kind."""
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"{kind} in a message")
