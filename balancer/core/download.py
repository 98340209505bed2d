"""RETR, LIST, NLST and MLSD: the data of one node goes to the client, and where it is lost, of another.

A RETR goes on at the byte reached when the other node shows the same content id, size and time of change. A listing
begins anew, which works only while nothing of it went out, because a second one may differ; so it is held back until
its node has said that it is whole.
"""

from typing import Final

from balancer.core.actions import AdviseNode, ExpectReply, FinishFrontData, RelayDownload, StopDownload
from balancer.core.back_leg import have_back_leg, identify
from balancer.core.command_line import Command
from balancer.core.conversation import Conversation, Steps, Transfer
from balancer.core.events import DownloadEnded, Ending, FrontDataClosed, NodeAdvised
from balancer.core.facts import Lookup, Unknown, is_same_content
from balancer.core.reply import Reply
from balancer.core.transfer import CUT, NO_NODE, begin, end, offer, open_front, try_elsewhere, why_not

LISTING_BYTES: Final = 256 << 10
"""What is held back of a listing, some 3,000 lines; a longer one goes out as it comes, and its node's death cuts it."""


def retrieve(talk: Conversation, command: Command) -> Steps[None]:
    """Serve one download or listing."""
    refusal = why_not(talk)
    if refusal is not None:
        talk.tell(refusal)
        return
    offset_bytes = talk.take_rest() if command.verb == "RETR" else 0
    if command.verb == "RETR" and talk.rules.reads_anywhere:
        yield from _go_to_the_best(talk)
    transfer = begin(talk, command)
    identity: Lookup = Unknown()
    final = NO_NODE
    while (yield from have_back_leg(talk)):
        seen = yield from _identity(talk, command)
        if talk.node is not None and transfer.size_bytes and not is_same_content(seen, identity):
            final, transfer.why = CUT, "the other node has not the same file"
            break
        identity = seen if talk.node is not None else identity
        answer = yield from offer(talk, command, offset_bytes + transfer.size_bytes)
        if answer is not None and answer.is_preliminary:
            open_front(talk, transfer, answer)
            answer = yield from _relayed(talk, transfer)
        verdict = yield from _verdict(talk, transfer, answer)
        if verdict is not None:
            final = verdict
            break
        final = try_elsewhere(talk, transfer, answer)
    talk.reads = False
    end(talk, transfer, final)


def _go_to_the_best(talk: Conversation) -> Steps[None]:
    """Leave the node if another one would serve a download better: its bytes need not come from where we logged in."""
    talk.reads = True
    talk.act(AdviseNode())
    while not isinstance(event := (yield), NodeAdvised):
        pass
    if talk.node is not None and event.node not in {None, talk.node}:
        talk.leave_node(f"{event.node} serves downloads better now", politely=True)
        talk.lost.clear()  # it may have to serve after all


def _identity(talk: Conversation, command: Command) -> Steps[Lookup]:
    """What shows that another node has the same content; Unknown where a transfer cannot be continued at a byte."""
    if command.verb == "RETR" and talk.type == "I":
        return (yield from identify(talk, command.argument))
    return Unknown()


def _verdict(talk: Conversation, transfer: Transfer, answer: Reply | None) -> Steps[Reply | None]:
    """The reply that ends this download, or None when another node shall go on with it."""
    if transfer.front_failed is not None:
        talk.leave_node("the client made no data connection")
        return transfer.front_failed
    if transfer.front_lost is not None:
        talk.leave_node("the client takes no more")
        return CUT
    if answer is None or answer.is_transient:
        return None
    if not answer.is_good:
        return answer
    if transfer.ending is not Ending.FINISHED:
        talk.leave_node("the node's data was cut, and yet it said that all is well")
        return None
    talk.act(FinishFrontData())
    while transfer.front_lost is None:
        if isinstance((yield), FrontDataClosed):
            return answer
    return CUT


def _relayed(talk: Conversation, transfer: Transfer) -> Steps[Reply | None]:
    """Relay until the data is over and the node has said so; None when the node or the client's side is lost."""
    transfer.ending = None
    started = stopped = False
    while transfer.front_failed is None and transfer.front_lost is None:
        if transfer.front_open and not started:
            talk.act(RelayDownload(0 if transfer.verb == "RETR" else LISTING_BYTES))
            started = True
        if transfer.answer is not None and transfer.answer.code == 421:
            talk.leave_node(f"the node said {transfer.answer.lines[-1]}")
        failed = talk.node is None or (transfer.answer is not None and not transfer.answer.is_good)
        if failed and not started:
            return transfer.answer if talk.node else None
        if transfer.ending is not None and (failed or transfer.answer is not None):
            return transfer.answer if transfer.answer is not None and transfer.answer.code != 421 else None
        if failed and not stopped:
            talk.act(StopDownload())
            stopped = True
        event = yield
        if isinstance(event, DownloadEnded) and transfer.answer is None and talk.node is not None:
            talk.act(ExpectReply(talk.rules.reply_timeout_s))
    return None
