"""Where fuzzing begins: honest input, from which it goes astray."""

import random
from typing import Final

from cluster.frame import frame
from cluster.proxy_header import ProxyHeader, encode
from replicator.peers import wire
from tests.kit.hostile_peer import answering, asking

_LINES: Final = (
    b"USER station", b"PASS x", b"STOR /Station/../ABCD\\day file.rnx", b"\xff\xf4\xf2ABOR", b"PORT 192,0,2,1,200,10",
    b"EPRT |1|192.0.2.1|51210|", b"EPRT |2|2001:db8::1|51210|", b"EPSV ALL", b"MDTM 20260102030405 a b",
    b"MFMT 20260102030405.123 a", b"MFF modify=20260102030405; a", b"SITE COPIES /a/b", b"LIST -la dir",
    b'XCRC "a ""b"""', b"HOST [192.0.2.1]", b"HASH \xc3\xa4\xff", b"CWD ../../.tripod",
    b"PORT \x1c192,0,2,1,200,10", "ſTOR long-s".encode(), "\u2003STOR em-space".encode(),
)  # fmt: skip
_V4: Final = ProxyHeader(source=("192.0.2.1", 50000), destination=("192.0.2.10", 21), tls=True, session="abc123")
_V6: Final = ProxyHeader(source=("2001:db8::1", 50000), destination=("2001:db8::2", 21))
_PROBE: Final = ProxyHeader(source=None, destination=None)
_MESSAGES: Final = tuple(asking(random.Random(seed)) for seed in range(60)) + tuple(
    answering(random.Random(seed), seed) for seed in range(40)
)
_CHOICES: Final = tuple(bytes((number, *range(number, 200, 7))) for number in range(16))

SEEDS: Final = {
    "ftpnode_line": _LINES,
    "path_argument": tuple(line.partition(b" ")[2] for line in _LINES),
    "balancer_stream": (b"\r\n".join(_LINES) + b"\r\n", *(line + b"\r\n" for line in _LINES)),
    "node_replies": (
        b"220 Ready.\r\n",
        b"211-Features:\r\n UTF8\r\n211 End\r\n",
        b"226 a\r\n550-b\r\n550 c\r\n",
        b"227 Here (192,0,2,1,200,10).\r\n229 Here (|||51210|)\r\n",
    ),
    "proxy_header": tuple(encode(header) for header in (_V4, _V6, _PROBE)),
    "peer_wire": tuple(frame(wire.encode(message)) for message in _MESSAGES),
    "peer_door": _CHOICES,
    "peer_link": _CHOICES,
}
