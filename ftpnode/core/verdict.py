"""Judges a transfer by how its data ended: only a whole upload is published, only a whole download is a success.

RFC 959 ends a file by closing the data connection, so the manner of the closing is all there is to tell a whole file
from a cut one: FIN (or close_notify under TLS, RFC 8446 section 6.1) is an end, everything else is a cut.
"""

from enum import StrEnum
from typing import Final

import msgspec


class Ending(StrEnum):
    """How the data of one transfer ended."""

    CLOSED = "closed"  # FIN on a plain connection
    CLOSE_NOTIFY = "close-notify"  # the orderly end of TLS
    SENT = "sent"  # the last byte of a download or a listing went out
    RESET = "reset"
    TLS_CUT = "tls-cut"  # FIN or RST without close_notify
    STALLED = "stalled"
    TOO_SLOW = "too-slow"
    ABORTED = "aborted"  # ABOR
    CONTROL_GONE = "control-gone"
    DISK_FULL = "disk-full"
    TOO_LARGE = "too-large"
    OVER_QUOTA = "over-quota"
    DISK_ERROR = "disk-error"
    NOT_CONNECTED = "not-connected"
    TLS_FAILED = "tls-failed"
    TLS_FOREIGN = "tls-foreign"  # not of the control connection's client, as far as TLS shows that
    BROKEN = "broken"  # a fault of ours


class Verdict(msgspec.Struct, frozen=True):
    """What follows from an ending; an upload that is `complete` is published, and `reply` waits for that answer.

    What came of one that was cut is right so far where its client `may_go_on` with it.
    """

    complete: bool
    reply: str
    may_go_on: bool = False


TRANSFER_COMPLETE: Final = "226 Transfer complete."

_MAY_GO_ON: Final = {
    Ending.RESET,
    Ending.TLS_CUT,
    Ending.STALLED,
    Ending.TOO_SLOW,
    Ending.ABORTED,
    Ending.CONTROL_GONE,
}

_UPLOAD_CUTS: Final = {
    Ending.SENT: "426 Transfer aborted; nothing was stored.",
    Ending.RESET: "426 Data connection was reset; nothing was stored.",
    Ending.TLS_CUT: "426 Data connection ended without a TLS close_notify; nothing was stored.",
    Ending.STALLED: "426 Data connection stalled; nothing was stored.",
    Ending.TOO_SLOW: "426 Data came too slowly; nothing was stored.",
    Ending.ABORTED: "426 Transfer aborted; nothing was stored.",
    Ending.CONTROL_GONE: "426 Control connection ended; nothing was stored.",
    Ending.DISK_FULL: "452 Not enough space on the disk; nothing was stored.",
    Ending.TOO_LARGE: "552 The file is too large; nothing was stored.",
    Ending.OVER_QUOTA: "552 Over the quota of this account; nothing was stored.",
    Ending.DISK_ERROR: "451 The disk failed; nothing was stored.",
    Ending.NOT_CONNECTED: "425 No data connection; nothing was stored.",
    Ending.TLS_FAILED: "522 TLS handshake failed on the data connection; nothing was stored.",
    Ending.TLS_FOREIGN: "522 The data connection must resume the TLS session of the control connection.",
    Ending.BROKEN: "451 Internal error; nothing was stored.",
}

_DOWNLOAD_CUTS: Final = {
    Ending.CLOSED: "426 Data connection was closed before the end.",
    Ending.CLOSE_NOTIFY: "426 Data connection was closed before the end.",
    Ending.RESET: "426 Data connection was reset.",
    Ending.TLS_CUT: "426 Data connection was closed before the end.",
    Ending.STALLED: "426 Data connection stalled.",
    Ending.TOO_SLOW: "426 Data was taken too slowly.",
    Ending.ABORTED: "426 Transfer aborted.",
    Ending.CONTROL_GONE: "426 Control connection ended.",
    Ending.DISK_FULL: "451 The disk failed.",
    Ending.TOO_LARGE: "451 The disk failed.",
    Ending.OVER_QUOTA: "451 The disk failed.",
    Ending.DISK_ERROR: "451 The disk failed.",
    Ending.NOT_CONNECTED: "425 No data connection.",
    Ending.TLS_FAILED: "522 TLS handshake failed on the data connection.",
    Ending.TLS_FOREIGN: "522 The data connection must resume the TLS session of the control connection.",
    Ending.BROKEN: "451 Internal error.",
}


def judge_upload(ending: Ending) -> Verdict:
    """The verdict on an upload: complete only when the client ended its data in the orderly way."""
    if ending in {Ending.CLOSED, Ending.CLOSE_NOTIFY}:
        return Verdict(complete=True, reply=TRANSFER_COMPLETE)
    return Verdict(complete=False, reply=_UPLOAD_CUTS[ending], may_go_on=ending in _MAY_GO_ON)


def judge_download(ending: Ending) -> Verdict:
    """The verdict on a download or a listing: complete only when every byte was sent."""
    if ending is Ending.SENT:
        return Verdict(complete=True, reply=TRANSFER_COMPLETE)
    return Verdict(complete=False, reply=_DOWNLOAD_CUTS[ending])
