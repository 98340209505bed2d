"""DELE, RMD, MKD, RNFR, RNTO, MFMT, MFF, MDTM with a time: changes are published, and answered when durable."""

from typing import TYPE_CHECKING

import msgspec

from cluster.publish import Done, MakeDirectory, Remove, Rename, Request, SetMtime
from ftpnode.commands import downloads
from ftpnode.commands.folders import quoted
from ftpnode.commands.reading import read_here
from ftpnode.core.listing import read_timestamp, timestamp
from ftpnode.core.replies import NO_SUCH_FILE
from ftpnode.core.rights import denial, may_do
from ftpnode.ports import change

if TYPE_CHECKING:
    from ftpnode.core.listing import Entry
    from ftpnode.pyftpdlib_door.session import Session


def delete(session: "Session", argument: str) -> None:
    """DELE."""
    path = session.tree_path(argument)
    _look_and_change(session, path, Remove(id=0, path=path, kind="file"), "250 File removed.")


def remove_directory(session: "Session", argument: str) -> None:
    """RMD; an empty directory."""
    path = session.tree_path(argument)
    if path == session.home:
        session.reply("550 This is your home.")
        return
    _look_and_change(session, path, Remove(id=0, path=path, kind="directory"), "250 Directory removed.")


def make_directory(session: "Session", argument: str) -> None:
    """MKD; 550 for one that is there, 552 when the account may not have one more, and then nothing happens."""
    view, path = session.view(argument), session.tree_path(argument)
    if path == session.home:
        session.reply("550 There is already an entry of that name.")
        return
    _change(session, MakeDirectory(id=0, path=path), f"257 {quoted(view)} directory created.")


def rename_from(session: "Session", argument: str) -> None:
    """RNFR."""
    path = session.tree_path(argument)
    if path == session.home:
        session.reply("550 This is your home.")
        return
    if not session.may_move(argument):
        session.reply("550 Permission denied.")
        return

    def found(_: "Entry") -> None:
        session.rename_from = path
        session.reply("350 Now RNTO.")

    read_here(session, path, lambda: session.service.tree.entry(path), found)


def rename_to(session: "Session", argument: str) -> None:
    """RNTO; a file that is there is replaced where the account allows it: uploads under a temporary name need it."""
    source, session.rename_from = session.rename_from, None
    if source is None:
        session.reply("503 Send RNFR first.")
        return
    target = session.tree_path(argument)
    if target == session.home:
        session.reply("550 This is your home.")
        return
    replace = session.compatibility.replace_on_rename
    _change(session, Rename(id=0, source=source, target=target, replace=replace), "250 Renamed.")


def set_modification_time(session: "Session", argument: str) -> None:
    """MFMT (draft-somers-ftp-mfxx-04 section 3.1)."""
    written, _, name = argument.partition(" ")
    moment_s = read_timestamp(written)
    if moment_s is None or not name:
        session.reply("501 Write it as MFMT YYYYMMDDHHMMSS name.")
        return
    _set_time(session, name, moment_s, f"213 Modify={timestamp(moment_s)}; {session.view(name)}")


def set_facts(session: "Session", argument: str) -> None:
    """MFF (draft-somers-ftp-mfxx-04 section 5); of the facts, only `modify` can be changed."""
    facts, _, name = argument.partition(" ")
    fact, _, written = facts.removesuffix(";").partition("=")
    moment_s = read_timestamp(written)
    if fact.lower() != "modify" or ";" in written:
        session.reply("504 Only the fact modify can be changed.")
    elif moment_s is None or not name:
        session.reply("501 Write it as MFF modify=YYYYMMDDHHMMSS; name.")
    else:
        _set_time(session, name, moment_s, f"213 Modify={timestamp(moment_s)}; {session.view(name)}")


def set_creation_time(session: "Session", _argument: str) -> None:
    """MFCT (draft-somers-ftp-mfxx-04 section 4): nothing would keep the time."""
    session.reply("504 Creation times are not kept; MFMT sets the modification time.")


def modification_time(session: "Session", argument: str) -> None:
    """MDTM (RFC 3659 section 3); with a time before the name it sets it, as clients of IIS and Serv-U expect."""
    assert session.login is not None, "MDTM needs a login"
    written, _, name = argument.partition(" ")
    moment_s = read_timestamp(written)
    if moment_s is None or not name:
        downloads.show_modification_time(session, argument)
    elif not may_do("MFMT", session.login.account.rights):
        session.reply(denial("MFMT", read_only=session.service.node.read_only))
    else:
        _set_time(session, name, moment_s, "253 Modification time is set.")


def _set_time(session: "Session", name: str, moment_s: float, reply: str) -> None:
    path = session.tree_path(name)
    request = SetMtime(id=0, path=path, mtime_ns=int(moment_s) * 1_000_000_000)
    _look_and_change(session, path, request, reply)


def _look_and_change(session: "Session", path: str, request: Request, reply: str) -> None:
    """Change only what the client can see: a symbolic link or a FIFO is not there."""
    if not path:
        session.reply(NO_SUCH_FILE)
        return

    def look() -> "Entry | None":
        try:
            return session.service.tree.entry(path)
        except FileNotFoundError:
            if not (isinstance(request, Remove) and session.service.has_replicator):
                raise
            return None  # the replicator knows whether it is there; to go it need not come, and no node may have it

    read_here(session, path, look, lambda _: _change(session, request, reply))


def _change(session: "Session", request: Request, reply: str) -> None:
    assert session.login is not None, "changes need a login"
    service, login = session.service, session.login
    account = login.account
    signed = msgspec.structs.replace(
        request, account=login.name, policy=account.publish_policy(), quota=account.quota()
    )

    def ask() -> Done:
        if isinstance(signed, MakeDirectory | Rename):
            service.tree.check_parent(signed.target if isinstance(signed, Rename) else signed.path)
        return change(service.publisher, signed, service.limits.publish_timeout_s)

    session.off_loop(service.workers.publishes, ask, lambda _: session.reply(reply))
