"""The requests that name a path, for one account: inside its home, by its rights, through the publisher."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, TypeVar

import paramiko
from typing_extensions import override

from cluster.publish import Fetch
from cluster.settings import Right
from ftpnode.core import sftp_status
from ftpnode.core.client_path import tree_path, view_path
from ftpnode.core.listing import Entry
from ftpnode.core.rights import is_denied
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.ports import change
from ftpnode.sftp_door.handle import Download, attributes
from ftpnode.sftp_door.trouble import RequestRefusedError

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service

T = TypeVar("T")

_WRITING: Final = os.O_WRONLY | os.O_RDWR


class Files(paramiko.SFTPServerInterface):
    """What one channel's client sees. A method raises what stands in the way; the wire makes the answer of it."""

    def __init__(self, server: Any, *_: object) -> None:
        super().__init__(server)
        self._session = server
        self._service: Service = server.service

    @property
    def _login(self) -> "Candidate":
        """The login as the settings have it now."""
        login: Candidate | None = self._session.login
        assert login is not None, "a channel opens after the login"
        return login

    @property
    def _home(self) -> str:
        return self._login.account.home.strip("/")

    @override
    def canonicalize(self, path: str) -> str:
        return view_path("/", path, backslashes=self._login.account.compatibility.backslash_paths)

    @override
    def stat(self, path: str) -> paramiko.SFTPAttributes:
        return attributes(self._look(self._tree_path(Right.READ, path)))

    @override
    def lstat(self, path: str) -> paramiko.SFTPAttributes:
        return self.stat(path)

    @override
    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
        where = self._tree_path(Right.READ, path)
        tree = self._service.tree
        found = self._read(where, lambda: tree.entries(where, tree.names(where, self._service.limits.listing_entries)))
        view, denied = self.canonicalize(path).rstrip("/"), self._login.account.deny
        return [attributes(entry) for entry in found if not is_denied(f"{view}/{entry.name}", denied)]

    @override
    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle:
        if flags & _WRITING:
            raise RequestRefusedError(sftp_status.denied())
        where = self._tree_path(Right.READ, path)
        file = self._read(where, lambda: self._service.tree.open_file(where))
        return Download(self._session, where, self.canonicalize(path), file)

    @override
    def readlink(self, path: str) -> str:
        raise RequestRefusedError(Refusal(Status.OP_UNSUPPORTED, "There are no links here."))

    @override
    def symlink(self, target_path: str, path: str) -> int:
        raise RequestRefusedError(Refusal(Status.OP_UNSUPPORTED, "There are no links here."))

    def _tree_path(self, right: Right, path: str) -> str:
        """The tree path of what the client wrote, if the account has `right`."""
        if right not in self._login.account.rights:
            raise RequestRefusedError(sftp_status.denied())
        view = self.canonicalize(path)
        if is_denied(view, self._login.account.deny):
            raise FileNotFoundError(errno.ENOENT, "denied")
        return tree_path(self._home, view)

    def _look(self, where: str) -> Entry:
        entry: Entry = self._read(where, lambda: self._service.tree.entry(where))
        return entry

    def _read(self, where: str, read: Callable[[], T]) -> T:
        """What `read` reads; if this disk has nothing, the replicator is asked for `where` first."""
        try:
            return read()
        except FileNotFoundError:
            if not (self._service.has_replicator and where):
                raise
        request = Fetch(id=0, path=where, account=self._login.name, policy=self._login.account.publish_policy())
        timeout_s = self._service.limits.publish_timeout_s
        self._in(self._service.workers.fetches, lambda: change(self._service.publisher, request, timeout_s))
        return read()

    def _in(self, pool: Executor, work: Callable[[], T]) -> T:
        """What `work` returns, done in a pool, so that all clients together are bounded as those of the FTP door."""
        with self._session.at_work():
            return pool.submit(work).result()
