"""What stands of a session between two commands: enough for another balancer to go on with it, unseen by its client."""

from typing import overload

import msgspec

from balancer.core.conversation import Conversation, DataPlan


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A session without TLS, in which nothing is in progress; the fields mean what they mean in a Conversation.

    What the client or a node has spelt is kept as it was on the wire: it need not be UTF-8.
    """

    account: bytes | None
    logged_in: bool
    type: str
    folder: bytes | None
    rename_from: bytes | None
    mlst_facts: bytes | None
    hash_name: bytes | None
    rest_bytes: int
    told_size: tuple[bytes, str] | None
    target: tuple[str, int] | None
    epsv_only: bool
    failed_logins: int
    last_node: str | None
    host: str = ""


def standing_of(talk: Conversation) -> Standing | None:
    """What stands, or None where it cannot be carried: TLS is this process's alone, and so is a port that is lent."""
    if talk.tls or talk.data is DataPlan.PASSIVE or talk.transfer is not None:
        return None
    return Standing(
        account=_wire(talk.account),
        logged_in=talk.logged_in,
        type=talk.type,
        folder=_wire(talk.folder),
        rename_from=_wire(talk.rename_from),
        mlst_facts=_wire(talk.mlst_facts),
        hash_name=_wire(talk.hash_name),
        rest_bytes=talk.rest_bytes,
        told_size=(_wire(talk.told_size[0]), talk.told_size[1]) if talk.told_size is not None else None,
        target=talk.data if isinstance(talk.data, tuple) else None,
        epsv_only=talk.epsv_only,
        failed_logins=talk.failed_logins,
        last_node=talk.node or talk.last_node,
        host=talk.host,
    )


def stand(talk: Conversation, standing: Standing) -> None:
    """Let a new conversation go on where another one stood."""
    talk.enter(standing.host if standing.host in talk.rules.hosts else "")
    talk.account, talk.logged_in = _text(standing.account), standing.logged_in
    talk.type, talk.folder = standing.type, _text(standing.folder)
    talk.rename_from = _text(standing.rename_from)
    talk.mlst_facts, talk.hash_name = _text(standing.mlst_facts), _text(standing.hash_name)
    talk.rest_bytes, talk.epsv_only = standing.rest_bytes, standing.epsv_only
    if standing.told_size is not None:
        talk.told_size = (_text(standing.told_size[0]), standing.told_size[1])
    talk.data = standing.target or DataPlan.NONE
    talk.failed_logins = standing.failed_logins
    talk.last_node, talk.lost_why = standing.last_node, "another balancer took over"


@overload
def _wire(text: str) -> bytes: ...
@overload
def _wire(text: str | None) -> bytes | None: ...
def _wire(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


@overload
def _text(wire: bytes) -> str: ...
@overload
def _text(wire: bytes | None) -> str | None: ...
def _text(wire: bytes | None) -> str | None:
    return None if wire is None else wire.decode("utf-8", "surrogateescape")
