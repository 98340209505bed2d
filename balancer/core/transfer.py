"""What uploads and downloads have in common: may it begin, the node's data connection, the end."""

from balancer.core.actions import (
    ConnectBackData,
    DropBackData,
    DropData,
    NoteTransfer,
    OpenFrontData,
    ReleasePort,
)
from balancer.core.back_leg import ask, have_clients_facts, have_type
from balancer.core.command_line import Command
from balancer.core.conversation import Conversation, DataPlan, Steps, Transfer
from balancer.core.data_address import epsv_port, pasv_port
from balancer.core.events import BackDataFailed, BackDataOpened, BackReplied
from balancer.core.reply import Reply, reply
from cluster.settings import Resumption

NO_NODE = reply(451, "No node can do this now; please try again.")
CUT = reply(426, "The transfer was cut; please try again.")


def why_not(talk: Conversation) -> Reply | None:
    """Why a transfer cannot begin, or None."""
    if talk.data is DataPlan.NONE:
        return reply(425, "Use PASV, EPSV, PORT or EPRT first.")
    bound = talk.tls and talk.resumption is Resumption.REQUIRE
    if (bound or talk.means in talk.rules.protected_accounts) and not talk.protected:
        return reply(521, "This account needs PROT P.")
    return None


def begin(talk: Conversation, command: Command) -> Transfer:
    """Start the books of a transfer."""
    talk.transfer = Transfer(command.verb, command.argument)
    return talk.transfer


def offer(talk: Conversation, command: Command, offset_bytes: int) -> Steps[Reply | None]:
    """Ask the node for a transfer, its data connection first; its first reply, or None when it is lost.

    The connection stands before the command goes out, so a node that refuses the command never waits for it.
    """
    assert talk.transfer is not None, "begun before"
    talk.transfer.node = talk.node or talk.transfer.node
    yield from have_type(talk)
    yield from have_clients_facts(talk) if command.verb == "MLSD" else ()
    port = yield from _passive_port(talk)
    if port is None or not (yield from _connected(talk, port)):
        talk.leave_node("the node opened no data connection")
        return None
    if offset_bytes:
        answer = yield from ask(talk, f"REST {offset_bytes}")
        if answer is None or not answer.is_intermediate:
            talk.act(DropBackData())
            return answer
    answer = yield from ask(talk, command.line)
    talk.transfer.answer = None
    if answer is not None and not answer.is_preliminary:
        talk.act(DropBackData())
    return answer


def open_front(talk: Conversation, transfer: Transfer, answer: Reply) -> None:
    """Once: tell the client that it begins, in the node's own words, and make the data connection with it.

    The code is ours: the node has our connection, and 125 would say that the client's is there too (RFC 959, 5.4).
    """
    if transfer.began:
        return
    transfer.began = True
    is_there = talk.data is DataPlan.PASSIVE and talk.data_came
    talk.say(125 if is_there else 150, answer.text)
    target = talk.data if isinstance(talk.data, tuple) else None
    talk.act(OpenFrontData(target, talk.protected, talk.resumption))


def try_elsewhere(talk: Conversation, transfer: Transfer, answer: Reply | None) -> Reply:
    """This node did not do it: leave it. What to tell the client should no other node remain."""
    if answer is None:
        talk.leave_node("the node did not do it")
    else:
        talk.refuse_node(f"the node said {answer.lines[-1]}")
    transfer.why = talk.lost_why
    transfer.repeats += 1
    return answer or (CUT if transfer.began else NO_NODE)


def end(talk: Conversation, transfer: Transfer, answer: Reply) -> None:
    """Close the books and tell the client how it went.

    A data connection that no transfer has used waits for the next one: the client may be in the middle of its TLS
    handshake, and would take a reset for the answer.
    """
    talk.act(DropData())
    if transfer.began:
        talk.act(ReleasePort())
        talk.data = DataPlan.NONE
    talk.act(
        NoteTransfer(
            verb=transfer.verb,
            path=transfer.path,
            node=transfer.node,
            size_bytes=transfer.size_bytes,
            reply=answer.code,
            repeats=transfer.repeats,
            why=transfer.why,
        )
    )
    talk.tell(answer)
    talk.transfer = None


def _passive_port(talk: Conversation) -> Steps[int | None]:
    """The node's port, by EPSV or, where it knows no EPSV, by PASV."""
    answer = yield from ask(talk, "EPSV")
    if answer is not None and answer.code == 229:
        return epsv_port(answer.text)
    if answer is not None and answer.code >= 500:
        answer = yield from ask(talk, "PASV")
        if answer is not None and answer.code == 227:
            return pasv_port(answer.text)
    return None


def _connected(talk: Conversation, port: int) -> Steps[bool]:
    talk.act(ConnectBackData(port))
    while talk.node is not None:
        match (yield):
            case BackDataOpened():
                return True
            case BackDataFailed() | BackReplied():
                return False
            case _:
                pass
    return False
