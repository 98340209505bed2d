"""Contents that say themselves whether they are whole: a digest, a size, then that many bytes with that digest."""

import hashlib
import random
import re

_HEAD = re.compile(rb"([0-9a-f]{64}) (\d{1,9})\n")


def new_content(chance: random.Random, most_bytes: int) -> bytes:
    """A content that was never seen before."""
    body = chance.randbytes(chance.randint(16, most_bytes))
    return b"%s %d\n%s" % (hashlib.sha256(body).hexdigest().encode(), len(body), body)


def is_whole(content: bytes) -> bool:
    """Whether these are all the bytes of a content, and no others."""
    head = _HEAD.match(content)
    if head is None:
        return False
    body = content[head.end() :]
    return len(body) == int(head[2]) and hashlib.sha256(body).hexdigest().encode() == head[1]
