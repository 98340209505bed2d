"""HASH, OPTS HASH, XSHA256, XMD5, XCRC: digests of whole files, computed in a worker thread."""

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from ftpnode.commands.reading import read_here
from ftpnode.core.digests import HASH_NAMES, NEW_DIGEST, OLD_COMMANDS, unquoted
from ftpnode.trouble import CommandRefusedError

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

_CHUNK_BYTES: Final = 1 << 20


class Digested(msgspec.Struct, frozen=True):
    """The digest of a whole file in hexadecimal digits, and how many bytes it had."""

    size_bytes: int
    digest: str


def show_hash(session: "Session", argument: str) -> None:
    """HASH (draft-bryan-ftpext-hash-02)."""
    name = session.hash_name
    view = session.view(argument)
    _digest(
        session,
        argument,
        name,
        lambda found: session.reply(f"213 {name} 0-{found.size_bytes} {found.digest} {view}"),
    )


def choose_hash(session: "Session", argument: str) -> None:
    """OPTS HASH: says or changes what HASH computes."""
    wanted = argument.strip().upper()
    if wanted in {"", *HASH_NAMES}:
        session.hash_name = wanted or session.hash_name
        session.reply(f"200 {session.hash_name}")
    else:
        session.reply(f"501 HASH knows {' and '.join(HASH_NAMES)}.")


def old_command(command: str) -> "Callable[[Session, str], None]":
    """XSHA256, XMD5 or XCRC: a 250 with the digits alone."""

    def show(session: "Session", argument: str) -> None:
        _digest(
            session,
            unquoted(argument),
            OLD_COMMANDS[command],
            lambda found: session.reply(f"250 {found.digest.upper()}"),
        )

    return show


def _digest(session: "Session", argument: str, name: str, then: Callable[[Digested], None]) -> None:
    path = session.tree_path(argument)
    workers = session.service.workers

    def read_through(file: BinaryIO) -> None:
        session.off_loop(workers.digests, lambda: digested(file, name, lambda: session.is_gone), then)

    read_here(session, path, lambda: session.service.tree.open_file(path), read_through)


def digested(file: BinaryIO, name: str, nobody_waits: Callable[[], bool]) -> Digested:
    """Read `file` to its end and close it; given up, with a CommandRefusedError, as soon as `nobody_waits`."""
    digest = NEW_DIGEST[name]()
    size_bytes = 0
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            if nobody_waits():
                raise CommandRefusedError("426 The client has gone.")
            digest.update(chunk)
            size_bytes += len(chunk)
    return Digested(size_bytes, digest.hexdigest())
