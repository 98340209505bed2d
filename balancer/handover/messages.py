"""What two balancers say to each other: the new one asks, the old one gives.

```
new                                      old
TakeOver                            →
                                    ←    Refused, or Given (+ listening sockets), until the last
Ready (+ a line for sessions)       →    accepts nothing more, probes nothing more
                                    ←    Yours(the passive ports that it keeps)
Serving                             →    sends the sessions that it can, as they come to rest
Seen(a probe's outcome)…            →
Brought(+ a data connection)…       →    is one of its sessions', which pass TLS through, or a stranger's
                                    ←    (closes the line: its last session has ended)
Ending                              →    ends too: the operator stops the balancer
```

Where the new one's end closes before it said Ending, the old one goes on as if nothing had been.
"""

from typing import Final

import msgspec

from balancer.arrival import DataArrival
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.moved_session import MovedSession

VERSION: Final = 2
"""Of these messages and of Standing: raise it when an older balancer could take one for something else."""


class TakeOver(msgspec.Struct, frozen=True, tag=True):
    """Give me your place; `process` is who asks."""

    version: int
    process: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Not now; `why` is a sentence."""

    why: str


class Given(msgspec.Struct, frozen=True, tag=True):
    """Some listening sockets; `is_last` with the last of them."""

    process: int
    is_last: bool


class Ready(msgspec.Struct, frozen=True, tag=True):
    """I could serve from this moment on; sessions come by the line that is with this."""


class Yours(msgspec.Struct, frozen=True, tag=True):
    """I accept nothing more but on these passive ports."""

    kept_ports: tuple[int, ...]


class Serving(msgspec.Struct, frozen=True, tag=True):
    """I serve."""


class Seen(msgspec.Struct, frozen=True, tag=True):
    """What a probe of a node found: sessions of the old balancer leave nodes that are down or drain, too."""

    node: str
    outcome: ProbePassed | ProbeFailed


class Brought(msgspec.Struct, frozen=True, tag=True):
    """The data connection with this came to a node's port, and none of my sessions is its client's there."""

    arrival: DataArrival


class Ending(msgspec.Struct, frozen=True, tag=True):
    """I was told to stop, so stop too."""


FromNew = TakeOver | Ready | Serving | Seen | Brought | Ending
FromOld = Refused | Given | Yours

decode_from_new: Final = msgspec.msgpack.Decoder(FromNew).decode
decode_from_old: Final = msgspec.msgpack.Decoder(FromOld).decode
decode_session: Final = msgspec.msgpack.Decoder(MovedSession).decode
