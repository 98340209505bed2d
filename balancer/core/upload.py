"""STOR, APPE and STOU: through the spool, to one node after the other until one says 226.

A plain STOR may be repeated at will: the same content under the same path is the same version. An upload that adds
to a file (APPE, REST and STOR) is repeated only when the file shows whether the first attempt counted.
"""

from enum import Enum

from balancer.core.actions import AskRoom, ExpectReply, FeedNode, ReceiveUpload
from balancer.core.back_leg import ask, have_back_leg, look
from balancer.core.command_line import Command
from balancer.core.conversation import Conversation, Steps, Transfer
from balancer.core.events import BackDataLost, Ending, RoomKnown, UploadEnded
from balancer.core.facts import Absent, Facts, Lookup, Unknown
from balancer.core.patience import Work, patience_s
from balancer.core.reply import Reply, reply
from balancer.core.transfer import CUT, NO_NODE, begin, end, offer, open_front, try_elsewhere, why_not
from balancer.core.upload_room import Room

_UNSPOOLED = reply(452, "The balancer's disk takes no more; nothing was stored, please try again.")
_NO_ROOM = reply(452, "No node has room on its disk; nothing was stored, please try again later.")
_CUTS = {Ending.CUT, Ending.UNSPOOLED}
_ANOTHER_SIZE = reply(450, "What has come of this file is not as SIZE has told; ask again.")
_NO_REST = reply(503, "REST makes no sense before APPE and STOU.")
_UNKNOWN_OUTCOME = reply(451, "The node was lost, and it is unknown whether it kept the upload.")


class Doubt(Enum):
    """What another node's copy says about an attempt whose node was lost."""

    NOT_APPLIED = "not applied"
    APPLIED = "applied"
    UNKNOWN = "unknown"


def judge(before: Lookup, after: Lookup, offset_bytes: int | None, added_bytes: int | None) -> Doubt:
    """Whether an upload that adds to a file counted.

    `offset_bytes` is where it began, None for the end of the file; `added_bytes` is None while it still comes, and
    then no node can have taken it for whole.
    """
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return Doubt.UNKNOWN
    size_before, size_after = _size(before), _size(after)
    if size_before is None or size_after is None:
        return Doubt.UNKNOWN
    if added_bytes is not None:
        start = size_before if offset_bytes is None else offset_bytes
        if size_after == max(size_before, start + added_bytes) != size_before:
            return Doubt.APPLIED
    return Doubt.NOT_APPLIED if size_after == size_before else Doubt.UNKNOWN


def store(talk: Conversation, command: Command) -> Steps[None]:
    """Serve one upload."""
    if command.verb != "STOR" and talk.take_rest():
        talk.tell(_NO_REST)
        return
    refusal = why_not(talk)
    if refusal is not None:
        talk.tell(refusal)
        return
    offset_bytes = talk.take_rest()
    transfer = begin(talk, command)
    if (yield from _has_no_room(talk)):
        transfer.why = "every node's disk is full"
        end(talk, transfer, _NO_ROOM)
        return
    adds = command.verb != "STOR" or offset_bytes > 0
    before: Lookup = Unknown()
    if adds and command.verb != "STOU" and (yield from have_back_leg(talk, changes=True)):
        before = yield from look(talk, command.argument)
    told = _told(talk, command) if isinstance(before, Absent) else None
    final = NO_NODE
    while transfer.ending not in _CUTS and (yield from have_back_leg(talk, changes=True)):
        verdict = (yield from _look_first(talk, command, before, offset_bytes)) if adds and transfer.began else None
        if verdict is None:
            answer = yield from _offer(talk, command, offset_bytes, told)
            if answer is not None and answer.is_preliminary:
                open_front(talk, transfer, answer)
                answer = yield from _fed(talk, transfer)
            verdict = _verdict(talk, transfer, answer)
            final = verdict or try_elsewhere(talk, transfer, answer)
        if verdict is not None:
            final = verdict
            break
    # Of our own full disk a node only knows that the upload was cut.
    end(talk, transfer, _UNSPOOLED if transfer.ending is Ending.UNSPOOLED else final)


def _has_no_room(talk: Conversation) -> Steps[bool]:
    """Whether no node can take an upload; a node that cannot, where another one can, is left."""
    talk.act(AskRoom())
    while not isinstance(event := (yield), RoomKnown):
        pass
    if event.room is Room.ELSEWHERE:
        talk.leave_node("its disk is full", politely=True)
    return event.room is Room.NOWHERE


def _told(talk: Conversation, command: Command) -> str | None:
    """What SIZE has told of a file that is not there: so much has come of an upload, and APPE goes on with it."""
    path, told = talk.told_size or ("", "")
    return told if command.verb == "APPE" and path == talk.absolute(command.argument) else None


def _offer(talk: Conversation, command: Command, offset_bytes: int, told: str | None) -> Steps[Reply | None]:
    """As `offer`; but a node that would take the rest of an upload for a whole file is not asked.

    A node goes on with what has come if this session has asked it for the size, and it may not be the one that told.
    """
    if told is not None:
        answer = yield from ask(talk, f"SIZE {command.argument}")
        if answer is None or answer.code != 213 or answer.text != told:
            return answer and _ANOTHER_SIZE
    return (yield from offer(talk, command, offset_bytes))


def _look_first(talk: Conversation, command: Command, before: Lookup, offset_bytes: int) -> Steps[Reply | None]:
    """Whether an earlier attempt counted: the reply that ends this upload, or None when it may be repeated."""
    assert talk.transfer is not None, "begun before"
    after = yield from look(talk, command.argument)
    if talk.node is None:
        return None
    match judge(before, after, None if command.verb == "APPE" else offset_bytes, _added(talk.transfer)):
        case Doubt.NOT_APPLIED:
            return None
        case Doubt.APPLIED:
            return reply(226, "Transfer complete.")
        case Doubt.UNKNOWN:
            return _UNKNOWN_OUTCOME


def _verdict(talk: Conversation, transfer: Transfer, answer: Reply | None) -> Reply | None:
    """The reply that ends this upload, or None when another node shall have it."""
    if transfer.front_failed is not None:
        talk.leave_node("the client made no data connection")
        return transfer.front_failed
    if transfer.ending in _CUTS:
        if answer is None or answer.is_good:
            talk.leave_node("the upload was cut")
        return answer if answer is not None and answer.code >= 400 else CUT
    if answer is not None and not answer.is_transient:
        return answer
    if not transfer.repeatable:
        transfer.why = "the spool could not hold the upload"
        return answer or reply(426, "The node was lost, and the upload is too large to be repeated.")
    return None


def _fed(talk: Conversation, transfer: Transfer) -> Steps[Reply | None]:
    """Feed the node until it gives its verdict; None when it is lost, or the client made no data connection."""
    talk.act(FeedNode())
    if transfer.ending is not None:
        talk.act(ExpectReply(patience_s(talk.rules, Work.PUBLISH)))
    while talk.node is not None and transfer.front_failed is None:
        if transfer.front_open and not transfer.receiving:
            talk.act(ReceiveUpload())
            transfer.receiving = True
        event = yield
        if isinstance(event, UploadEnded | BackDataLost):
            talk.act(ExpectReply(patience_s(talk.rules, Work.PUBLISH)))
        if transfer.answer is not None:
            if transfer.answer.code == 421 or (transfer.answer.is_good and transfer.ending is None):
                talk.leave_node(f"the node said {transfer.answer.lines[-1]}")
                return None
            return transfer.answer
    return None


def _added(transfer: Transfer) -> int | None:
    return transfer.size_bytes if transfer.ending is Ending.FINISHED else None


def _size(lookup: Facts | Absent) -> int | None:
    return 0 if isinstance(lookup, Absent) else lookup.size_bytes
