"""The requests that name a path, for one account: inside its home, by its rights, through the publisher.

A right is asked for by the name of the FTP command that does the same, so that one table says what an account may.
"""

import contextlib
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import msgspec

from cluster.publish import MakeDirectory, Reason, Rename, SetMtime
from cluster.publish import Remove as RemoveEntry
from cluster.publish import Request as Change
from cluster.tree_path import parent
from ftpnode.core import sftp_status
from ftpnode.core.client_path import tree_path, view_path
from ftpnode.core.listing import Entry
from ftpnode.core.rights import holds_denied, is_denied, may_do
from ftpnode.core.sftp_packet import Attributes, Flag
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.ports import ChangeRefusedError, change
from ftpnode.read_through import fetch
from ftpnode.room import stage
from ftpnode.sftp_door.handle import Download, Folder, Handle
from ftpnode.sftp_door.trouble import RequestRefusedError
from ftpnode.sftp_door.upload import Manner, Upload
from ftpnode.upload_target import existing, look_at_target

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.sftp_door.session import Session
    from ftpnode.staging import StagedFile

T = TypeVar("T")

_NS = 1_000_000_000


class Files:
    """What one session's client sees and changes. A method raises what stands in the way; the wire answers that."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._service = session.service

    # --- reading

    def view(self, path: str) -> str:
        """The absolute path in the client's view of what it wrote."""
        return view_path("/", path, backslashes=self._login.account.compatibility.backslash_paths)

    def stat(self, path: str) -> Entry:
        """What stands at a path."""
        return self._look(self._where("SIZE", path))

    def list(self, path: str) -> Folder:
        """What the client may see in a directory."""
        view = self._spelled(path)
        where = self._tree_path("LIST", view)
        tree, most = self._service.tree, self._service.limits.listing_entries
        found = self._read(where, lambda: tree.entries(where, tree.names(where, most)))
        denied = self._login.account.deny
        return Folder(view, [entry for entry in found if not is_denied(f"{view.rstrip('/')}/{entry.name}", denied)])

    def open(self, path: str, flags: Flag, attributes: Attributes) -> Handle:
        """A file to read, or to write."""
        view = self._spelled(path)
        if flags & Flag.WRITE:
            if flags & Flag.READ:
                self._tree_path("RETR", view)
            return self._open_to_write(view, flags, attributes)
        where = self._tree_path("RETR", view)
        return Download(self._session, where, view, self._read(where, lambda: self._service.tree.open_file(where)))

    # --- changing

    def remove(self, path: str) -> None:
        """REMOVE, of a file."""
        where = self._where("DELE", path)
        found = self._look_to_remove(where)
        if found is not None and found.is_directory:
            raise IsADirectoryError(errno.EISDIR, "a directory")
        self._change(RemoveEntry(id=0, path=where, kind="file"))

    def remove_directory(self, path: str) -> None:
        """RMDIR, of an empty one."""
        where = self._below_home("RMD", path)
        found = self._look_to_remove(where)
        if found is not None and not found.is_directory:
            raise NotADirectoryError(errno.ENOTDIR, "a file")
        self._change(RemoveEntry(id=0, path=where, kind="directory"))

    def make_directory(self, path: str) -> None:
        """MKDIR."""
        where = self._where("MKD", path)
        if where == self._home:
            raise ChangeRefusedError(Reason.EXISTS, "the home")
        self._service.tree.check_parent(where)
        self._change(MakeDirectory(id=0, path=where))

    def rename(self, source: str, target: str, *, replace: bool) -> None:
        """RENAME; a file that is there is replaced if that was asked for and the account allows it."""
        old = self._below_home("RNFR", source)
        if holds_denied(self._spelled(source), self._login.account.deny):
            raise RequestRefusedError(sftp_status.denied())
        new = self._below_home("RNTO", target)
        if new == old:  # in other letters, it may be: those that the client wrote are meant
            new = self._tree_path("RNTO", self._folder_spelled(target))
        self._look(old)
        self._service.tree.check_parent(new)
        may_replace = replace and self._login.account.compatibility.replace_on_rename
        if new != old:
            self._change(Rename(id=0, source=old, target=new, replace=may_replace))

    def set_attributes(self, path: str, wanted: Attributes) -> None:
        """SETSTAT: a file's time is kept; a directory's is not, nor are owners and modes (clients send all)."""
        where = self._where("MFMT", path)
        is_directory = self._look(where).is_directory
        if wanted.size_bytes is not None:
            raise RequestRefusedError(Refusal(Status.OP_UNSUPPORTED, "The size is changed on an open file alone."))
        if wanted.mtime_s is not None and not is_directory:
            self._change(SetMtime(id=0, path=where, mtime_ns=wanted.mtime_s * _NS))

    # --- below

    @property
    def _login(self) -> "Candidate":
        """The login as the settings have it now."""
        assert self._session.login is not None, "a channel opens after the login"
        return self._session.login

    @property
    def _home(self) -> str:
        return self._login.account.home.strip("/")

    def _spelled(self, path: str) -> str:
        """The view path, spelled as the disk has it where the account's clients mind no case."""
        view = self.view(path)
        if not self._login.account.compatibility.case_insensitive:
            return view
        self._check_seen(view)
        tree_path(self._home, view)  # refuses what is no name
        return self._service.tree.spelling(self._home, view)

    def _folder_spelled(self, path: str) -> str:
        folder, _, name = self.view(path).rpartition("/")
        return f"{self._spelled(folder or '/').rstrip('/')}/{name}"

    def _check_seen(self, view: str) -> None:
        if is_denied(view, self._login.account.deny):
            raise FileNotFoundError(errno.ENOENT, "denied")

    def _tree_path(self, command: str, view: str) -> str:
        """The tree path of a view path, if the account may do what this FTP command does."""
        if not may_do(command, self._login.account.rights):
            raise RequestRefusedError(sftp_status.denied())
        self._check_seen(view)
        return tree_path(self._home, view)

    def _where(self, command: str, path: str) -> str:
        return self._tree_path(command, self._spelled(path))

    def _below_home(self, command: str, path: str) -> str:
        where = self._where(command, path)
        if where == self._home:
            raise RequestRefusedError(Refusal(Status.FAILURE, "This is your home."))
        return where

    def _look(self, where: str) -> Entry:
        return self._read(where, lambda: self._service.tree.entry(where))

    def _look_to_remove(self, where: str) -> Entry | None:
        """What this disk has there; of what it lacks the replicator knows: to go it need not come."""
        try:
            return self._service.tree.entry(where)
        except FileNotFoundError:
            if not self._service.has_replicator:
                raise
            return None

    def _read(self, where: str, read: Callable[[], T]) -> T:
        """What `read` reads; if this disk has nothing, the replicator is asked for `where` first."""
        try:
            return read()
        except FileNotFoundError:
            if not (self._service.has_replicator and where):
                raise
        login = self._login
        self._session.in_pool(self._service.workers.fetches, lambda: fetch(self._service, where, login))
        return read()

    def _change(self, request: Change) -> None:
        signed, timeout_s = self._signed(request), self._service.limits.publish_timeout_s
        pool = self._service.workers.publishes
        self._session.in_pool(pool, lambda: change(self._service.publisher, signed, timeout_s))

    def _signed(self, request: Change) -> Change:
        name, account = self._login.name, self._login.account
        return msgspec.structs.replace(request, account=name, policy=account.publish_policy(), quota=account.quota())

    def _open_to_write(self, view: str, flags: Flag, attributes: Attributes) -> Upload:
        where, login = self._tree_path("STOR", view), self._login

        def prepare() -> "StagedFile":
            if _starts_anew(flags) and login.account.quota() is None and not self._service.minds_names:
                return self._staged(where, flags, login)
            # Something may have to be asked for, fetched and copied.
            return self._session.in_pool(self._service.workers.fetches, lambda: self._staged(where, flags, login))

        staged = self._read(parent(where), prepare)
        manner = Manner(
            appends=bool(flags & Flag.APPEND),
            exclusive=bool(flags & Flag.EXCLUSIVE),
            readable=bool(flags & Flag.READ),
        )
        return Upload(self._session, where, view, staged, manner, attributes.mtime_s)

    def _staged(self, where: str, flags: Flag, login: "Candidate") -> "StagedFile":
        """A staged file with what stands at `where`, unless the client cuts it to nothing."""
        look_at_target(self._service, where, self._home)
        with contextlib.ExitStack() as stack:
            old = self._old(where, flags, login)
            if old is not None:
                stack.enter_context(old)
            staged = stage(self._service, login, where)
            try:
                if old is not None and not flags & Flag.TRUNCATE:
                    staged.copy_from(old, old.seek(0, 2))
            except BaseException:
                staged.discard()
                raise
            return staged

    def _old(self, where: str, flags: Flag, login: "Candidate") -> BinaryIO | None:
        """The file that stands there, where that matters."""
        if _starts_anew(flags):
            return None
        is_new = bool(flags & Flag.CREATE)
        try:
            old = existing(self._service, where, login)
        except FileNotFoundError:
            if not is_new:
                raise
            return None
        if is_new and flags & Flag.EXCLUSIVE:
            old.close()
            raise ChangeRefusedError(Reason.EXISTS, "wanted as a new one")
        return old


def _starts_anew(flags: Flag) -> bool:
    """Whether it does not matter to an OPEN what stands there."""
    return flags & (Flag.CREATE | Flag.TRUNCATE | Flag.EXCLUSIVE) == Flag.CREATE | Flag.TRUNCATE
