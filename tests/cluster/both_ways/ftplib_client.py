"""What Python's ftplib is told to do. Its words here are commands; `@N` behind a transfer's path restarts it there."""

import contextlib
import ftplib
import io
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from tests.cluster.both_ways.conversation import CONTENT, HALF, REFUSED, WAYS, WRONG, Conversation, Place, Way
from tests.kit.clients import TIMEOUT_S, ImplicitFtps


class Recorded(ftplib.FTP):
    """Keeps the verbs and the codes."""

    heard: list[str]

    def putline(self, line: str) -> None:
        self.heard.append(line.partition(" ")[0])
        super().putline(line)  # type: ignore[misc] - typeshed does not list it

    def getmultiline(self) -> str:
        reply: str = super().getmultiline()  # type: ignore[misc] - as above
        self.heard.append(reply[:3])
        return reply


class RecordedTls(Recorded, ftplib.FTP_TLS):
    """Under TLS by AUTH."""


class RecordedImplicit(Recorded, ImplicitFtps):
    """Under TLS from the first byte."""


class Ftplib:
    """ftplib."""

    name = "ftplib"

    def ways(self) -> Iterable[Way]:
        """Every way."""
        return WAYS

    def hold(self, words: tuple[str, ...], place: Place) -> tuple[int, str]:
        heard: list[str] = []
        shown = io.StringIO()
        with contextlib.closing(_client(place, heard)) as client:
            try:
                _begin(client, place)
                for word in words:
                    shown.write(f"{_do(client, word, place)}\n")
                client.quit()
            except ftplib.Error as error:
                shown.write(str(error))
                return 1, f"{' '.join(heard)}\n{shown.getvalue()}"
        return 0, f"{' '.join(heard)}\n{shown.getvalue()}"

    def said(self, shown: str) -> Iterable[str]:
        return shown.partition("\n")[0].split()

    conversations: Mapping[str, Conversation] = {
        "upload": Conversation(words=("STOR up.rnx",), leaves={"up.rnx": CONTENT}),
        "upload that goes on": Conversation(words=(f"STOR half.rnx@{len(HALF)}",), leaves={"half.rnx": CONTENT}),
        "upload that adds": Conversation(words=("APPE up.rnx", "SIZE up.rnx"), shows=(f"213 {2 * len(CONTENT)}",)),
        "download": Conversation(words=("RETR there.rnx",), gets={"down.rnx": CONTENT}),
        "download that goes on": Conversation(
            words=(f"RETR there.rnx@{len(HALF)}",), gets={"down.rnx": CONTENT[len(HALF) :]}
        ),
        "download from beyond the end": Conversation(words=(f"RETR there.rnx@{len(CONTENT) + 1}",), status=1),
        "listing": Conversation(words=("LIST sub",), shows=(" a.rnx", " b.rnx")),
        "listing of names": Conversation(words=("CWD sub", "NLST"), shows=("a.rnx", "b.rnx")),
        "listing of facts": Conversation(words=("MLSD sub",), shows=("size=1;", "size=2;")),
        "making, renaming, deleting": Conversation(
            words=("MKD made", "RNFR old.rnx", "RNTO made/new.rnx", "DELE doomed.rnx", "MKD gone", "RMD gone"),
            leaves={"made/new.rnx": b"old", "old.rnx": None, "doomed.rnx": None, "gone": None},
            needs_data=False,
        ),
        "small talk": Conversation(
            words=("SYST", "NOOP", "HELP", "FEAT", "STAT", "PWD", "CDUP", "OPTS UTF8 ON", "ALLO 5", "MODE S", "STRU F"),
            needs_data=False,
        ),
        "missing file": Conversation(words=("RETR missing.rnx",), status=1, shows=("550",)),
        "missing folder": Conversation(words=("CWD nowhere",), status=1, shows=("550",), needs_data=False),
        "refused name": Conversation(words=(f"STOR {REFUSED}",), status=1, shows=("553",)),
        "rename of nothing": Conversation(words=("RNFR nothing.rnx",), status=1, shows=("550",), needs_data=False),
        "wrong password": Conversation(words=("PWD",), status=1, shows=("530",), password=WRONG, needs_data=False),
    }


def _client(place: Place, heard: list[str]) -> ftplib.FTP:
    kinds: dict[str, Any] = {"plain": Recorded, "explicit": RecordedTls, "implicit": RecordedImplicit}
    context = ssl._create_unverified_context()  # who the server is is not asked here
    more = {} if place.way.tls == "plain" else {"context": context}
    client: ftplib.FTP = kinds[place.way.tls](timeout=TIMEOUT_S, **more)
    client.heard = heard  # type: ignore[attr-defined] - it is one of ours
    return client


def _begin(client: ftplib.FTP, place: Place) -> None:
    client.connect(place.entrance.address, place.port)
    if isinstance(client, RecordedImplicit):
        client.login("station", place.password, secure=False)
    else:
        client.login("station", place.password)
    if isinstance(client, RecordedTls):
        client.prot_p()
    client.set_pasv(place.way.mode == "passive")
    client.cwd(place.folder)


def _do(client: ftplib.FTP, word: str, place: Place) -> str:
    command, _, rest = word.partition("@")
    offset = int(rest) if rest else None
    match command.split()[0]:
        case "STOR" | "APPE":
            return client.storbinary(command, io.BytesIO(CONTENT[offset or 0 :]), rest=offset)
        case "RETR":
            with (place.here / "down.rnx").open("wb") as down:
                return client.retrbinary(command, down.write, rest=offset)
        case "LIST" | "NLST" | "MLSD":
            lines: list[str] = []
            return client.retrlines(command, lines.append) + "\n".join(lines)
        case _:
            return client.sendcmd(command)
