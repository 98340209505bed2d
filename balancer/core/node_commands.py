"""The commands that a node answers, and the login.

A node that is lost on the way is replaced; where it is unknown whether it did what was asked, the next node's tree is
looked at first.
"""

from typing import Final

from balancer.core.actions import EndSession, NoteLogin
from balancer.core.back_leg import ask, have_back_leg, have_clients_facts, have_type, log_in, look, open_back_leg
from balancer.core.choose_node import refusal
from balancer.core.command_line import Command
from balancer.core.conversation import Conversation, Steps
from balancer.core.facts import Absent, Facts, Lookup, Unknown
from balancer.core.features import without_foreign
from balancer.core.patience import CHANGES, DIGESTS, SETS_TIMES, WORK_OF, Work
from balancer.core.reply import Reply, reply
from balancer.core.transfer import NO_NODE

_SHOWS: Final = frozenset({"PWD", "SIZE", "MLST", "STAT", "FEAT", "SYST", "AVBL"})
ASKED: Final = _SHOWS | DIGESTS | SETS_TIMES | {"CWD", "CDUP", "RNFR", "OPTS", "COMB"}
"""May be asked again at will: they change nothing, or the same thing twice is the same as once."""

ALIASES: Final = {"XCWD": "CWD", "XCUP": "CDUP", "XPWD": "PWD", "XMKD": "MKD", "XRMD": "RMD"}
"""RFC 1123, 4.1.3.1."""

_UNKNOWN_OUTCOME: Final = reply(451, "The node was lost, and it is unknown whether it did this.")


def log_in_client(talk: Conversation, command: Command) -> Steps[None]:
    """PASS: the first node that answers decides. A refusal is final; a node that fails makes room for the next."""
    if talk.account is None or talk.logged_in:
        talk.say(503, "USER comes first.")
        return
    while (yield from open_back_leg(talk)):
        node = talk.node or ""
        answer = yield from log_in(talk, talk.account, command.argument)
        if answer is not None and answer.is_good:
            talk.logged_in, talk.lost_why = True, ""
            talk.act(NoteLogin(talk.account, node, answer.code))
            talk.tell(answer)
            return
        if answer is not None and answer.code >= 500:
            _refused(talk, answer, node)
            return
        talk.leave_node("the login failed there" if answer is None else answer.lines[-1])
    text, outcome = refusal(full=talk.full)
    talk.say(421, text)
    talk.act(EndSession(outcome))


def _refused(talk: Conversation, answer: Reply, node: str) -> None:
    talk.act(NoteLogin(talk.account or "", node, answer.code))
    talk.leave_node("the login was refused", politely=True)
    talk.account = None
    talk.failed_logins += 1
    talk.tell(answer)
    if talk.failed_logins >= talk.rules.login_attempts:
        talk.act(EndSession("login-refused"))


def pass_on(talk: Conversation, command: Command) -> Steps[None]:
    """Let a node answer; what one node cannot do or say now (4yz) is asked of the next.

    A digest is asked of each node once.
    """
    answer: Reply | None = None
    refusal = NO_NODE
    while answer is None and (yield from have_back_leg(talk, changes=_may_change(command))):
        yield from have_type(talk) if command.verb == "SIZE" else ()
        yield from have_clients_facts(talk) if command.verb == "MLST" else ()
        answer = yield from ask(talk, command.line, WORK_OF.get(command.verb, Work.ANSWER))
        if answer is not None and answer.is_transient and command.verb not in DIGESTS:
            refusal, answer = answer, None
            talk.refuse_node(f"the node said {refusal.lines[-1]}")
        if answer is None and command.verb in DIGESTS:
            talk.refused |= talk.lost  # a client is not kept waiting for the same reading again and again
        if answer is None and command.verb in CHANGES and (yield from have_back_leg(talk)):
            answer = yield from _look_first(talk, command)
    answer = answer or refusal
    if command.verb == "FEAT":
        answer = Reply(answer.code, without_foreign(answer.lines, talk.rules.features))
    yield from _remember(talk, command, answer)
    talk.tell(answer)


def _may_change(command: Command) -> bool:
    if command.verb == "MDTM":  # with a time before the name it sets that
        return command.argument[:14].isdigit() and " " in command.argument
    return command.verb in CHANGES | SETS_TIMES | {"RNFR"}


def judge(verb: str, path: str, source: Lookup | None, target: Lookup) -> Reply | None:
    """What to answer when the node that was asked to change `path` is lost: done, unknown, or None: ask again."""
    if isinstance(target, Unknown) or isinstance(source, Unknown) or verb == "SITE":
        return _UNKNOWN_OUTCOME
    gone = isinstance(target, Absent)
    match verb:
        case "MKD":
            done = isinstance(target, Facts) and target.kind == "dir"
            quoted = path.replace('"', '""')
            return reply(257, f'"{quoted}" directory created.') if done else None
        case "DELE" | "RMD":
            return reply(250, "Deleted.") if gone else None
        case _:
            if isinstance(source, Facts):
                return None
            return _UNKNOWN_OUTCOME if gone else reply(250, "Renamed.")


def _look_first(talk: Conversation, command: Command) -> Steps[Reply | None]:
    """What `judge` says of a node's tree; one that is lost while we look leaves it to the next."""
    renames = command.verb == "RNTO"
    if renames and talk.rename_from is None:
        return None
    while (yield from have_back_leg(talk)):
        source = (yield from look(talk, talk.rename_from or "")) if renames else None
        target = yield from look(talk, command.argument)
        if talk.node is None:
            continue
        answer = judge(command.verb, command.argument, source, target)
        if answer is None and renames:
            # The look came between RNFR and RNTO, and a node forgets the one when anything else follows.
            yield from ask(talk, f"RNFR {talk.rename_from}")
        return answer
    return _UNKNOWN_OUTCOME


def _remember(talk: Conversation, command: Command, answer: Reply) -> Steps[None]:
    """Keep what a replay needs: the node's own word for the folder, a rename that has begun."""
    if command.verb != "RNFR":
        talk.rename_from = None
    elif answer.is_intermediate:
        talk.rename_from = command.argument
    if command.verb in {"CWD", "CDUP"} and answer.is_good:
        told = yield from ask(talk, "PWD")
        if told is not None and told.code == 257 and '"' in told.text:
            talk.folder = told.text[told.text.index('"') + 1 : told.text.rindex('"')].replace('""', '"')
        else:
            talk.folder = _joined(talk.folder or "/", command)
    if command.verb == "SIZE" and answer.code == 213:
        talk.told_size = (talk.absolute(command.argument), answer.text)
    if command.verb == "OPTS" and answer.is_good:
        name, _, value = command.argument.partition(" ")
        match name.upper():
            case "MLST":
                talk.mlst_facts = talk.node_facts = value
            case "HASH" if value:
                talk.hash_name = value
            case _:
                pass


def _joined(folder: str, command: Command) -> str:
    """The folder after CWD where the node could not be asked for it any more."""
    path = ".." if command.verb == "CDUP" else command.argument
    steps: list[str] = []
    for step in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in {"", "."}:
            steps.append(step)
    return "/" + "/".join(steps)
