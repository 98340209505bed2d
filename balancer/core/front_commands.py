"""The commands that the balancer answers itself: TLS, data addresses, representation, small talk."""

from collections.abc import Callable, Mapping
from typing import Final

from balancer.core.actions import EndSession, LeasePort, ReleasePort, StartFrontTls
from balancer.core.conversation import Conversation, DataPlan, Steps
from balancer.core.data_address import (
    eprt_target,
    epsv_text,
    is_ipv4,
    may_connect,
    pasv_text,
    port_target,
)
from balancer.core.events import NoPortFree, PortLeased
from cluster.host_name import is_host_of

_TYPES: Final = {"A": "A", "A N": "A", "I": "I", "L 7": "A", "L7": "A", "L 8": "I", "L8": "I"}


def _feat(talk: Conversation, _argument: str) -> None:
    talk.say(211, "Features:", *talk.rules.features)


def _syst(talk: Conversation, _argument: str) -> None:
    talk.say(215, "UNIX Type: L8")


def _noop(talk: Conversation, _argument: str) -> None:
    talk.say(200, "OK.")


def _help(talk: Conversation, _argument: str) -> None:
    talk.say(214, "This is Tripod; FEAT lists what it can do.")


def _clnt(talk: Conversation, _argument: str) -> None:
    talk.say(200, "Noted.")


def _host(talk: Conversation, argument: str) -> None:
    """RFC 7151: a name may stand for another site behind this port; where TLS has named one, that stays."""
    name = argument.strip().removesuffix(".").lower()
    if talk.account is not None or talk.logged_in:
        talk.say(503, "HOST comes before USER.")
    elif talk.tls and talk.host not in {"", name}:
        talk.say(504, f"TLS was begun with {talk.host}.")
    elif name in talk.rules.hosts:
        talk.enter(name)
        talk.say(220, talk.rules.greeting)
    elif is_host_of(talk.rules.host_names, argument, talk.rules.local[0]):
        talk.say(220, "Host accepted.")
    else:
        talk.say(504, "No such host here.")


def _user(talk: Conversation, argument: str) -> None:
    """Always 331: whether the account exists is not for strangers to know."""
    if not argument.strip():
        talk.say(501, "USER needs a name.")
        return
    _log_out(talk)
    talk.account = argument.strip()
    talk.say(331, "Password, please.")


def _rein(talk: Conversation, _argument: str) -> None:
    """RFC 959, 4.1.1: as after the greeting; TLS stays."""
    _log_out(talk)
    talk.say(220, "Ready for a new user.")


def _log_out(talk: Conversation) -> None:
    talk.leave_node("the client logs in anew", politely=True)
    if talk.logged_in:
        talk.act(ReleasePort())
        talk.data, talk.rest_bytes, talk.epsv_only = DataPlan.NONE, 0, False
    talk.account, talk.logged_in = None, False
    talk.folder = talk.rename_from = talk.told_size = None


def _auth(talk: Conversation, argument: str) -> None:
    """RFC 4217, 4: what was said of the login before TLS does not count."""
    if argument.strip().upper() not in {"TLS", "TLS-C", "SSL", "TLS-P"}:
        talk.say(504, "AUTH knows TLS.")
    elif talk.tls:
        talk.say(503, "This connection speaks TLS already.")
    else:
        talk.leave_node("the client starts TLS", politely=True)
        talk.account, talk.logged_in = None, False
        talk.say(234, "Proceed with TLS.")
        talk.act(StartFrontTls())
        talk.tls = True


def _pbsz(talk: Conversation, _argument: str) -> None:
    if talk.tls:
        talk.buffer_size_given = True
        talk.say(200, "PBSZ=0")
    else:
        talk.say(503, "AUTH TLS comes first.")


def _prot(talk: Conversation, argument: str) -> None:
    level = argument.strip().upper()
    if not talk.tls or not talk.buffer_size_given:
        talk.say(503, "AUTH TLS and PBSZ come first.")
    elif level in {"C", "P"}:
        talk.protected = level == "P"
        talk.say(200, f"Protection is {level}.")
    elif level in {"S", "E"}:
        talk.say(536, "PROT knows C and P.")
    else:
        talk.say(504, "PROT knows C and P.")


def _ccc(talk: Conversation, _argument: str) -> None:
    talk.say(534, "The control connection stays protected.")


def opts_utf8(talk: Conversation, argument: str) -> None:
    """OPTS UTF8 (RFC 2640 and what clients made of it)."""
    on = argument.strip().upper() in {"", "ON"}
    talk.say(200 if on else 501, "UTF8 is always on.")


def _type(talk: Conversation, argument: str) -> None:
    wanted = _TYPES.get(argument.strip().upper())
    if wanted is None:
        talk.say(504, "TYPE knows A and I.")
    else:
        talk.type = wanted
        talk.say(200, f"Type is {wanted}.")


def _mode(talk: Conversation, argument: str) -> None:
    _only(talk, argument, "S", "Mode")


def _stru(talk: Conversation, argument: str) -> None:
    _only(talk, argument, "F", "Structure")


def _rest(talk: Conversation, argument: str) -> None:
    """RFC 3659, 5; bytes are bytes in every TYPE, as the nodes keep them."""
    text = argument.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        talk.say(501, "REST needs a number of bytes.")
    else:
        talk.rest_bytes = int(text)
        talk.say(350, f"The next transfer begins at byte {int(text)}.")


def _allo(talk: Conversation, _argument: str) -> None:
    talk.say(202, "No storage allocation is necessary.")


def _abor(talk: Conversation, _argument: str) -> None:
    """ABOR outside a transfer: RFC 959, 4.1.3, closes what is open of a data connection."""
    talk.act(ReleasePort())
    talk.data = DataPlan.NONE
    talk.say(226, "There is no transfer to abort.")


def _quit(talk: Conversation, _argument: str) -> None:
    talk.say(221, "Goodbye.")
    talk.leave_node("the client quits", politely=True)
    talk.act(EndSession("quit"))


def _port(talk: Conversation, argument: str) -> None:
    _active(talk, port_target(argument))


def _eprt(talk: Conversation, argument: str) -> None:
    parts = argument.strip()
    if len(parts) > 2 and parts[1:2] not in {"1", "2"}:
        talk.say(522, "Network protocol not supported, use (1,2)")
    else:
        _active(talk, eprt_target(argument))


def pasv(talk: Conversation, _argument: str) -> Steps[None]:
    """RFC 959, 4.1.2: the address is the one the client connected to, so that it can reach it."""
    if talk.epsv_only:
        talk.say(501, "PASV is not allowed after EPSV ALL.")
    elif not is_ipv4(talk.rules.pasv_address):
        talk.say(501, "PASV is for IPv4; use EPSV.")
    else:
        leased = yield from _lease(talk)
        if leased is not None:
            talk.say(227, pasv_text(talk.rules.pasv_address, leased))


def epsv(talk: Conversation, argument: str) -> Steps[None]:
    """RFC 2428, 3 and 4."""
    wanted = argument.strip().upper()
    family = "1" if is_ipv4(talk.rules.client[0]) else "2"
    if wanted == "ALL":
        talk.epsv_only = True
        talk.say(200, "Only EPSV from here on.")
    elif wanted not in {"", family}:
        talk.say(522, f"Network protocol not supported, use ({family})")
    else:
        leased = yield from _lease(talk)
        if leased is not None:
            talk.say(229, epsv_text(leased))


def _lease(talk: Conversation) -> Steps[int | None]:
    talk.act(LeasePort())
    talk.data, talk.data_came = DataPlan.NONE, False
    while True:
        match (yield):
            case PortLeased(leased):
                talk.data = DataPlan.PASSIVE
                return leased
            case NoPortFree():
                talk.say(425, "No passive port is free; please try again.")
                return None
            case _:
                pass


def _active(talk: Conversation, target: tuple[str, int] | None) -> None:
    if talk.epsv_only:
        talk.say(501, "Only EPSV is allowed after EPSV ALL.")
    elif talk.means in talk.rules.passive_accounts:
        talk.say(502, "Active mode is off for this account; use EPSV or PASV.")
    elif target is None:
        talk.say(501, "This is no address of a data connection.")
    elif not may_connect(target, talk.rules.client[0]):
        talk.say(501, "The data connection must go to you, to port 1024 or above.")
    else:
        talk.act(ReleasePort())
        talk.data = target
        talk.say(200, "Address accepted.")


def _only(talk: Conversation, argument: str, letter: str, noun: str) -> None:
    if argument.strip().upper() == letter:
        talk.say(200, f"{noun} is {letter}.")
    else:
        talk.say(504, f"{noun} knows {letter}.")


BEFORE_LOGIN: Final[Mapping[str, Callable[[Conversation, str], None]]] = {
    "FEAT": _feat,
    "SYST": _syst,
    "NOOP": _noop,
    "HELP": _help,
    "HOST": _host,
    "CLNT": _clnt,
    "USER": _user,
    "AUTH": _auth,
    "PBSZ": _pbsz,
    "PROT": _prot,
    "CCC": _ccc,
    "QUIT": _quit,
}
"""What anybody may say."""

AFTER_LOGIN: Final[Mapping[str, Callable[[Conversation, str], None]]] = {
    "TYPE": _type,
    "MODE": _mode,
    "STRU": _stru,
    "REST": _rest,
    "ALLO": _allo,
    "ABOR": _abor,
    "REIN": _rein,
    "PORT": _port,
    "EPRT": _eprt,
}
"""What only a session that is logged in may say."""
