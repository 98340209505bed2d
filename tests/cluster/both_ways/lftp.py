"""What lftp is told to do."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from tests.cluster.both_ways.conversation import CONTENT, REFUSED, WAYS, WRONG, Conversation, Place, Way, found_in
from tests.cluster.both_ways.program import run

_SAID: Final = re.compile(r"^(?:<---|--->) (\d{3}(?=[ -])|[A-Z]{3,4}\b)", re.MULTILINE)
_SETTINGS: Final = {
    "ssl:verify-certificate": "no",
    "net:max-retries": "1",
    "net:timeout": "10",
    "net:persist-retries": "0",
    "net:reconnect-interval-base": "1",
}


class Lftp:
    """lftp 4.9 and later, told to show what it says and hears."""

    name = "lftp"

    def ways(self) -> Iterable[Way]:
        """Every way but active mode over IPv6: there it waits for some seconds, and then says EPSV all the same."""
        return (way for way in WAYS if way.family == "IPv4" or way.mode == "passive")

    def hold(self, words: tuple[str, ...], place: Place) -> tuple[int, str]:
        way = place.way
        settings = _SETTINGS | {
            "ftp:passive-mode": "yes" if way.mode == "passive" else "no",
            "ssl:ca-file": str(place.entrance.ca),  # those of the system take as long as all the rest
            "ftp:ssl-allow": "no" if way.tls == "plain" else "yes",
            "ftp:ssl-force": "no" if way.tls == "plain" else "yes",
        }
        script = [f"set {name} {value}" for name, value in settings.items()]
        return run(("lftp", "-d", "-c", "; ".join((*script, f"open {place.url}/", *words))), place.here)

    def said(self, shown: str) -> Iterable[str]:
        return found_in(shown, _SAID)

    conversations: Mapping[str, Conversation] = {
        "upload": Conversation(words=("put up.rnx",), leaves={"up.rnx": CONTENT}),
        "upload under a temporary name": Conversation(
            words=("set xfer:use-temp-file yes", "put up.rnx -o temp.rnx"), leaves={"temp.rnx": CONTENT}
        ),
        "upload that goes on": Conversation(words=("put -c up.rnx -o half.rnx",), leaves={"half.rnx": CONTENT}),
        "download": Conversation(words=("get there.rnx -o down.rnx",), gets={"down.rnx": CONTENT}),
        "download that goes on": Conversation(words=("get -c there.rnx -o part.rnx",), gets={"part.rnx": CONTENT}),
        "listing": Conversation(words=("ls sub",), shows=(" a.rnx", " b.rnx")),
        "listing of names": Conversation(words=("nlist sub",), shows=("a.rnx\n", "b.rnx\n")),
        "listing of facts": Conversation(words=("cls -s sub",), shows=("a.rnx", "b.rnx")),
        "making, renaming, deleting": Conversation(
            words=("mkdir -p made/in", "mv old.rnx made/new.rnx", "rm doomed.rnx", "rmdir made/in"),
            leaves={"made/new.rnx": b"old", "old.rnx": None, "doomed.rnx": None, "made/in": None},
            needs_data=False,
        ),
        "mirror there and back": Conversation(
            words=("mirror -R tree", "mirror tree back"),
            leaves={"tree/in/up.rnx": CONTENT},
            gets={"back/in/up.rnx": CONTENT},
        ),
        "missing file": Conversation(words=("get missing.rnx",), status=1),
        "missing folder": Conversation(words=("cd nowhere",), status=1, needs_data=False),
        "refused name": Conversation(words=(f"put up.rnx -o {REFUSED}",), status=1),
        "wrong password": Conversation(words=("ls",), status=1, password=WRONG, needs_data=False, in_order=False),
    }
