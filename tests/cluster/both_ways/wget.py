"""What wget is told to do."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from tests.cluster.both_ways.conversation import CONTENT, WAYS, WRONG, Conversation, Place, Way
from tests.cluster.both_ways.program import run

_SAID: Final = re.compile(r"^(?:--> ([A-Z]{3,4})\b|(\d{3})(?= ))", re.MULTILINE)
_SERVER_ERROR: Final = 8
_AUTHENTICATION_FAILED: Final = 6


class Wget:
    """wget 1.21 and later, told to show what it says and hears; it only downloads."""

    name = "wget"

    def ways(self) -> Iterable[Way]:
        """Every way."""
        return WAYS

    def hold(self, words: tuple[str, ...], place: Place) -> tuple[int, str]:
        tls = {
            "plain": (),
            "explicit": ("--no-check-certificate",),
            "implicit": ("--no-check-certificate", "--ftps-implicit"),
        }
        mode = ("--no-passive-ftp",) if place.way.mode == "active" else ()
        url = place.url if place.way.tls == "plain" else place.url.replace("ftp://", "ftps://")
        always = ("-d", "-S", "--tries=1", "--timeout=10", "--no-host-directories")
        return run(("wget", *always, *tls[place.way.tls], *mode, *(word.format(url=url) for word in words)), place.here)

    def said(self, shown: str) -> Iterable[str]:
        return (found[1] or found[2] for found in _SAID.finditer(shown))

    conversations: Mapping[str, Conversation] = {
        "download": Conversation(words=("-O", "down.rnx", "{url}/there.rnx"), gets={"down.rnx": CONTENT}),
        "download that goes on": Conversation(
            words=("-c", "-O", "part.rnx", "{url}/there.rnx"), gets={"part.rnx": CONTENT}
        ),
        "what a pattern names": Conversation(words=("{url}/sub/*.rnx",), gets={"a.rnx": b"a", "b.rnx": b"bb"}),
        "a folder and all in it": Conversation(words=("-r", "-nd", "{url}/sub/"), gets={"a.rnx": b"a", "b.rnx": b"bb"}),
        "listing": Conversation(words=("-O", "down.rnx", "{url}/sub/"), shows=("226",)),
        "missing file": Conversation(words=("{url}/missing.rnx",), status=_SERVER_ERROR),
        "missing folder": Conversation(words=("{url}/nowhere/x",), status=_SERVER_ERROR, needs_data=False),
        "wrong password": Conversation(
            words=("{url}/there.rnx",), status=_AUTHENTICATION_FAILED, password=WRONG, needs_data=False
        ),
    }
