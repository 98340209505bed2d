"""What a node says of one path: the reply to MLST (RFC 3659, 7), which every lookup of the balancer uses."""

import msgspec

from balancer.core.reply import Reply


class Facts(msgspec.Struct, frozen=True):
    """One entry of the tree; `size_bytes` and `modified` as the node said them, None where it did not."""

    kind: str
    size_bytes: int | None = None
    modified: str | None = None


class Absent(msgspec.Struct, frozen=True):
    """The node knows no such path."""


class Unknown(msgspec.Struct, frozen=True):
    """The node could not be asked, or gave no answer to rely on."""


Lookup = Facts | Absent | Unknown


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
