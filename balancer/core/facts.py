"""What a node says of one path: the reply to MLST (RFC 3659, 7), and to SITE COPIES, which names the content."""

import re
from typing import Final

import msgspec

from balancer.core.reply import Reply

_CONTENT_ID: Final = re.compile(r"\bBLAKE3 ([0-9a-f]{64})\b")


IDENTITY_FACTS: Final = "type;size;modify;"
"""What `read_facts` reads; every node shows them unless OPTS MLST says otherwise."""


def shows_identity(chosen: str | None) -> bool:
    """Whether a node shows them after `OPTS MLST chosen`; None: there was none."""
    return chosen is None or {*IDENTITY_FACTS.split(";")} <= {*chosen.lower().split(";"), ""}


class Facts(msgspec.Struct, frozen=True):
    """One entry of the tree, as the node described it; None for what it did not say, or was not asked."""

    kind: str
    size_bytes: int | None = None
    modified: str | None = None
    content_id: str | None = None


class Absent(msgspec.Struct, frozen=True):
    """The node knows no such path."""


class Unknown(msgspec.Struct, frozen=True):
    """The node could not be asked, or gave no answer to rely on."""


Lookup = Facts | Absent | Unknown


def is_same_content(one: Lookup, other: Lookup) -> bool:
    """Whether two nodes have the same bytes there: everything they say is alike, and the content id is said."""
    return isinstance(one, Facts) and one.content_id is not None and one == other


def read_content_id(answer: Reply | None) -> str | None:
    """The BLAKE3 in a node's answer to SITE COPIES; None where it names none."""
    found = _CONTENT_ID.search(answer.lines[-1]) if answer is not None and answer.is_good else None
    return found[1] if found else None


def read_facts(answer: Reply | None) -> Lookup:
    """What a node's answer to MLST means; None is a lost node."""
    if answer is None:
        return Unknown()
    if answer.code == 550:
        return Absent()
    if answer.code != 250 or len(answer.lines) < 3:
        return Unknown()
    facts, _, _ = answer.lines[1].strip().partition(" ")
    values = {key.lower(): value for key, _, value in (fact.partition("=") for fact in facts.split(";") if fact)}
    if "type" not in values:
        return Unknown()
    size = values.get("size", "")
    return Facts(values["type"].lower(), int(size) if size.isdecimal() else None, values.get("modify"))
