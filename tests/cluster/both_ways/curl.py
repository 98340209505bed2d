"""What curl is told to do."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from tests.cluster.both_ways.conversation import CONTENT, HALF, REFUSED, WAYS, WRONG, Conversation, Place, Way, found_in
from tests.cluster.both_ways.program import run

_SAID: Final = re.compile(r"^[<>] (\d{3}(?=[ -])|[A-Z]{3,4}\b)", re.MULTILINE)

_LOGIN_DENIED: Final = 67
_CANNOT: Final = {"CWD": 9, "RETR": 78, "STOR": 25, "QUOTE": 21, "REST": 36, "PASV": 30}
"""What curl's statuses say could not be done."""


class Curl:
    """curl 7.88 and later, told to be verbose."""

    name = "curl"

    def ways(self) -> Iterable[Way]:
        """Every way but active mode under TLS: there it expects no TLS on the connection that it accepts.

        (Mended in curl 8.0; what 7.88 meets is a conversation of its own.)
        """
        return (way for way in WAYS if way.tls == "plain" or way.mode == "passive")

    def hold(self, words: tuple[str, ...], place: Place) -> tuple[int, str]:
        tls = () if place.way.tls == "plain" else ("-k", "--ssl-reqd")
        mode = ("-P", "-") if place.way.mode == "active" else ()
        given = (word.format(url=place.url, folder=place.folder) for word in words)
        return run(("curl", "-sv", *tls, *mode, *given), place.here)

    def said(self, shown: str) -> Iterable[str]:
        return found_in(shown, _SAID)

    conversations: Mapping[str, Conversation] = {
        "upload": Conversation(words=("-T", "up.rnx", "{url}/up.rnx"), leaves={"up.rnx": CONTENT}),
        "upload into new folders": Conversation(
            words=("--ftp-create-dirs", "-T", "up.rnx", "{url}/new/deep/up.rnx"), leaves={"new/deep/up.rnx": CONTENT}
        ),
        "upload without EPSV and EPRT": Conversation(
            words=("--disable-epsv", "--disable-eprt", "-T", "up.rnx", "{url}/old-way.rnx"),
            leaves={"old-way.rnx": CONTENT},
        ),
        "upload that goes on": Conversation(
            words=("-C", str(len(HALF)), "-T", "up.rnx", "{url}/half.rnx"), leaves={"half.rnx": CONTENT}
        ),
        "upload that adds": Conversation(words=("-a", "-T", "part.rnx", "{url}/added.rnx"), leaves={"added.rnx": HALF}),
        "download": Conversation(words=("-o", "down.rnx", "{url}/there.rnx"), gets={"down.rnx": CONTENT}),
        "download that goes on": Conversation(
            words=("-C", "-", "-o", "part.rnx", "{url}/there.rnx"), gets={"part.rnx": CONTENT}
        ),
        "listing": Conversation(words=("{url}/sub/",), shows=(" a.rnx", " b.rnx")),
        "listing of names": Conversation(words=("-l", "{url}/sub/"), shows=("a.rnx\n", "b.rnx\n")),
        "listing of facts": Conversation(words=("-X", "MLSD", "{url}/sub/"), shows=("size=1;", "size=2;")),
        "look at a file": Conversation(
            words=("-I", "{url}/there.rnx"), shows=(f"Content-Length: {len(CONTENT)}",), needs_data=False
        ),
        "making, renaming, deleting": Conversation(
            words=(
                *("-Q", "-MKD made", "-Q", "-RNFR old.rnx", "-Q", "-RNTO made/new.rnx", "-Q", "-DELE doomed.rnx"),
                *("-Q", "-MKD gone", "-Q", "-RMD gone", "-l", "{url}/"),
            ),
            leaves={"made": b"", "made/new.rnx": b"old", "old.rnx": None, "doomed.rnx": None, "gone": None},
            needs_data=False,
        ),
        "missing file": Conversation(words=("{url}/missing.rnx",), status=_CANNOT["RETR"]),
        "missing folder": Conversation(words=("{url}/nowhere/",), status=_CANNOT["CWD"], needs_data=False),
        "refused name": Conversation(words=("-T", "up.rnx", f"{{url}}/{REFUSED}"), status=_CANNOT["STOR"]),
        "folder that is there": Conversation(
            words=("-Q", "MKD {folder}/sub", "{url}/"), status=_CANNOT["QUOTE"], needs_data=False
        ),
        "folder that is not empty": Conversation(
            words=("-Q", "RMD {folder}/sub", "{url}/"), status=_CANNOT["QUOTE"], leaves={"sub": b""}, needs_data=False
        ),
        "command that nobody knows": Conversation(
            words=("-Q", "XYZZ", "{url}/"), status=_CANNOT["QUOTE"], needs_data=False
        ),
        "digests, facts, copies": Conversation(
            words=(
                *("-Q", "MLST {folder}/there.rnx", "-Q", "SIZE {folder}/there.rnx", "-Q", "MDTM {folder}/there.rnx"),
                *(
                    "-Q",
                    "HASH {folder}/there.rnx",
                    "-Q",
                    "XCRC {folder}/there.rnx",
                    "-Q",
                    "SITE COPIES {folder}/there.rnx",
                ),
                *("-Q", "MFMT 20200101000000 {folder}/there.rnx", "-Q", "AVBL", "-Q", "STAT", "-l", "{url}/sub/"),
            ),
            needs_data=False,
        ),
        "wrong password": Conversation(words=("{url}/",), status=_LOGIN_DENIED, password=WRONG, needs_data=False),
    }
