"""Pushes one file the way a persona does: directories, transfer, rename.

Says what was acknowledged or, when it failed, whether the file may nevertheless stand on the server.
"""

import ftplib
from collections.abc import Callable

import msgspec

from stations.ftp_client import CLIENT_ERRORS, send_file
from stations.persona import Persona


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A file to push: the folder below the account's home, the name, the bytes."""

    folder: tuple[str, ...]
    name: str
    content: bytes

    def part(self, persona: Persona) -> bytes | None:
        """What stands under the name between STOR and APPE, for a persona that pushes in two pieces."""
        return self.content[: len(self.content) // 2] if persona.pieces == 2 else None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The acknowledgement: the server's last words, and the seconds from the last byte sent until its 226."""

    reply: str
    ack_seconds: float


class UploadFailed(Exception):  # noqa: N818 - a thing that happened, not a mistake of this program
    """The push was not acknowledged; with `outcome_unknown` the server may have the file, or a piece, all the same."""

    def __init__(self, error: str, *, outcome_unknown: bool, connection_usable: bool) -> None:
        super().__init__(error)
        self.outcome_unknown = outcome_unknown
        self.connection_usable = connection_usable


def upload(ftp: ftplib.FTP, persona: Persona, parcel: Parcel, monotonic_s: Callable[[], float]) -> Receipt:
    """Push `parcel` once over a logged-in connection; raises UploadFailed."""
    attempt = _Attempt(ftp, persona, parcel, monotonic_s)
    try:
        return attempt.run()
    except CLIENT_ERRORS as error:
        # A 5xx is a definite no to the command it answers. Anything else may have lost only the answer.
        refused = isinstance(error, ftplib.error_perm)
        replied = isinstance(error, ftplib.error_perm | ftplib.error_temp)
        raise UploadFailed(
            f"{type(error).__name__}: {error}",
            outcome_unknown=attempt.touched or (attempt.at_stake and not refused),
            connection_usable=replied and not str(error).startswith("421"),
        ) from error


class _Attempt:
    def __init__(self, ftp: ftplib.FTP, persona: Persona, parcel: Parcel, monotonic_s: Callable[[], float]) -> None:
        self._ftp = ftp
        self._persona = persona
        self._parcel = parcel
        self._monotonic_s = monotonic_s
        self.at_stake = False
        """A command that can change the final name was sent."""
        self.touched = False
        """A command has changed the final name, and another one is still needed."""

    def run(self) -> Receipt:
        self._enter_folder()
        if self._persona.says_binary:
            self._ftp.voidcmd("TYPE I")
        match self._persona:
            case Persona(naming="temporary"):
                return self._store_and_rename()
            case Persona(pieces=2):
                return self._store_and_append()
            case _:
                self.at_stake = True
                return self._transfer("STOR", self._parcel.name, self._parcel.content)

    def _store_and_rename(self) -> Receipt:
        temporary = self._parcel.name + self._persona.temporary_suffix
        stored = self._transfer("STOR", temporary, self._parcel.content)
        wanted = self._ftp.sendcmd(f"RNFR {self._spelled(temporary)}")
        if not wanted.startswith("3"):
            raise ftplib.error_reply(wanted)  # noqa: S321 - FTP is what this product is about
        self.at_stake = True
        return Receipt(
            reply=self._ftp.voidcmd(f"RNTO {self._spelled(self._parcel.name)}"), ack_seconds=stored.ack_seconds
        )

    def _store_and_append(self) -> Receipt:
        first = self._parcel.part(self._persona)
        assert first is not None
        self.at_stake = True
        self._transfer("STOR", self._parcel.name, first)
        self.touched = True
        return self._transfer("APPE", self._parcel.name, self._parcel.content[len(first) :])

    def _transfer(self, verb: str, name: str, content: bytes) -> Receipt:
        send_file(self._ftp, f"{verb} {self._spelled(name)}", content, self._persona.line_bytes_s)
        sent_s = self._monotonic_s()
        reply = self._ftp.voidresp()
        return Receipt(reply=reply, ack_seconds=self._monotonic_s() - sent_s)

    def _enter_folder(self) -> None:
        directory = self._directory(self._parcel.folder)
        if self._persona.always_makes_directories:
            self._make_folders()
        try:
            self._ftp.voidcmd(f"CWD {directory}")
        except ftplib.error_perm:
            if self._persona.always_makes_directories:
                raise
            self._make_folders()
            self._ftp.voidcmd(f"CWD {directory}")

    def _make_folders(self) -> None:
        for depth in range(1, len(self._parcel.folder) + 1):
            try:
                self._ftp.mkd(self._directory(self._parcel.folder[:depth]))
            except ftplib.error_perm:
                # It exists, as a rule. If it does not, the CWD that follows says so.
                continue

    def _directory(self, folder: tuple[str, ...]) -> str:
        if self._persona.backslashes:
            return "\\" + "".join(f"{part}\\" for part in folder)
        return "/" + "/".join(folder)

    def _spelled(self, name: str) -> str:
        """The name as the persona writes it in a command: with backslashes, the whole path as well."""
        return self._directory(self._parcel.folder) + name if self._persona.backslashes else name
