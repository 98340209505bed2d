"""The steps towards a node: open a back leg, log in, set a session up again (replay), ask one command."""

import msgspec

from balancer.core.actions import ExpectReply, NoteMove, OpenBack, Pause, SendBack, SendToken
from balancer.core.conversation import Conversation, Steps
from balancer.core.events import BackFailed, BackOpened, BackReplied, PauseOver
from balancer.core.facts import IDENTITY_FACTS, Facts, Lookup, read_content_id, read_facts, shows_identity
from balancer.core.patience import Work, patience_s
from balancer.core.reply import Reply


def answer_of_node(talk: Conversation) -> Steps[Reply | None]:
    """The node's next reply; None when the node is lost instead. 421 means that it is about to leave (RFC 959)."""
    while talk.node is not None:
        event = yield
        if isinstance(event, BackReplied):
            if event.reply.code != 421:
                return event.reply
            talk.leave_node(f"the node said {event.reply.lines[-1]}")
    return None


def ask(talk: Conversation, line: str, work: Work = Work.ANSWER) -> Steps[Reply | None]:
    """Send one line to the node; its reply, or None when the node is lost, or takes too long for this work."""
    if talk.node is None:
        return None
    talk.act(SendBack(line, patience_s(talk.rules, work)))
    return (yield from answer_of_node(talk))


def look(talk: Conversation, path: str) -> Steps[Lookup]:
    """What the node knows of `path`, whatever facts the client has chosen."""
    if not shows_identity(talk.node_facts):
        yield from _have_facts(talk, IDENTITY_FACTS)
    return read_facts((yield from ask(talk, f"MLST {path}")))


def identify(talk: Conversation, path: str) -> Steps[Lookup]:
    """What the node knows of `path`, with the id of its content where replicators keep one."""
    facts = yield from look(talk, path)
    if not isinstance(facts, Facts) or not talk.rules.replicated:
        return facts
    content_id = read_content_id((yield from ask(talk, f"SITE COPIES {path}")))
    return msgspec.structs.replace(facts, content_id=content_id)


def have_back_leg(talk: Conversation, *, changes: bool = False) -> Steps[bool]:
    """Have a back leg that stands as the session does, on another node if need be; False when no node remains.

    `changes`: for a command that changes something. A download may have led to a read-only node; it is left then.
    """
    if changes and talk.node in talk.rules.mirrors and not talk.may_read_only:
        talk.leave_node(f"{talk.node} is read-only", politely=True)
    while talk.node is None:
        if not (yield from open_back_leg(talk)):
            return False
        if talk.node is not None and not (yield from _replay(talk)):
            talk.leave_node("the session could not be set up there")
    return True


def open_back_leg(talk: Conversation) -> Steps[bool]:
    """Connect to a node and read its greeting; False when no node remains, after some rounds, or all are `full`."""
    talk.full = False
    while talk.node is None:
        talk.act(OpenBack(frozenset(talk.lost | talk.refused), talk.tls, talk.reads, talk.may_read_only))
        match (yield from _opened(talk)):
            case BackOpened(node):
                talk.node = node
                talk.act(ExpectReply(talk.rules.reply_timeout_s))
                greeting = yield from answer_of_node(talk)
                if greeting is not None and not greeting.is_good:
                    talk.leave_node(f"the node greets with {greeting.lines[-1]}")
            case BackFailed(str(node), why):
                talk.lost.add(node)
                talk.lost_why = talk.lost_why or why
            case BackFailed(full=True):
                talk.full = True
                return False
            case BackFailed():
                # Where every node has answered, waiting changes nothing; one that was lost may come back.
                if talk.rounds_left == 0 or (talk.refused and not talk.lost - talk.refused):
                    return False
                talk.rounds_left -= 1
                talk.lost.clear()
                talk.act(Pause(talk.rules.pause_s))
                yield from _pause(talk)
    return True


def log_in(talk: Conversation, account: str, password: str | None) -> Steps[Reply | None]:
    """USER and PASS; without a password PASS carries a session token. The reply that decided, None: node lost."""
    answer = yield from ask(talk, f"USER {account}")
    if answer is None or not answer.is_intermediate:
        return answer
    if password is not None:
        return (yield from ask(talk, f"PASS {password}"))
    talk.act(SendToken(account, talk.rules.reply_timeout_s))
    return (yield from answer_of_node(talk))


def have_type(talk: Conversation) -> Steps[None]:
    """Let the node use the client's TYPE; it is told only where it matters."""
    if talk.node is not None and talk.node_type != talk.type:
        answer = yield from ask(talk, f"TYPE {talk.type}")
        if answer is not None:
            talk.node_type = talk.type


def have_clients_facts(talk: Conversation) -> Steps[None]:
    """Let the node list the facts that the client has chosen by OPTS MLST; it is told only where it matters."""
    if talk.mlst_facts is not None:
        yield from _have_facts(talk, talk.mlst_facts)


def _have_facts(talk: Conversation, facts: str) -> Steps[None]:
    if talk.node is not None and talk.node_facts != facts:
        answer = yield from ask(talk, f"OPTS MLST {facts}")
        if answer is not None:
            talk.node_facts = facts


def _replay(talk: Conversation) -> Steps[bool]:
    """Set the session up on the node at hand: login by token, folder, digest, a rename that has begun."""
    assert talk.account is not None, "only a session that is logged in moves"
    answer = yield from log_in(talk, talk.account, None)
    if answer is None or not answer.is_good:
        return False
    if talk.folder is not None:
        answer = yield from ask(talk, f"CWD {talk.folder}")
        if answer is None or not answer.is_good:
            return False
    if talk.hash_name is not None:
        yield from ask(talk, f"OPTS HASH {talk.hash_name}")
    if talk.rename_from is not None:
        yield from ask(talk, f"RNFR {talk.rename_from}")
    if talk.node is None:
        return False
    talk.act(NoteMove(talk.last_node or "", talk.node, talk.lost_why))
    talk.lost_why = ""
    return True


def _opened(_talk: Conversation) -> Steps[BackOpened | BackFailed]:
    while True:
        event = yield
        if isinstance(event, BackOpened | BackFailed):
            return event


def _pause(_talk: Conversation) -> Steps[None]:
    while not isinstance((yield), PauseOver):
        pass
