"""Where pyftpdlib's own tests find the VIP otherwise than they expect, and why; as tests.ftpnode.peers.differences."""

from typing import Final

from tests.ftpnode.peers.differences import DIFFERENCES as OF_A_NODE

_NO_DATA_FIRST: Final = (
    "425 without PASV or PORT before it comes first; only then is a node asked what it says of the path"
)

AT_THE_VIP: Final = {
    "test_rest_on_stor": _NO_DATA_FIRST,
    "test_stou_orphaned_file": _NO_DATA_FIRST,
    "test_restore_on_retr": _NO_DATA_FIRST,
}
"""What a node itself does as they expect."""

DIFFERENCES: Final = OF_A_NODE | AT_THE_VIP
