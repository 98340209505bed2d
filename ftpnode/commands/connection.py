"""The commands about the connections themselves: TLS, data ports, types and modes, ABOR, QUIT, and small talk."""

from typing import TYPE_CHECKING, Final

from cluster.host_name import is_host_of
from ftpnode.commands.digests import choose_hash
from ftpnode.commands.facts import offered_facts
from ftpnode.core import data_address
from ftpnode.core.data_address import DataAddress, read_eprt, read_port
from ftpnode.core.digests import hash_feature
from ftpnode.pyftpdlib_door.data_port import NoPortFreeError

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

_TLS_NAMES: Final = frozenset({"TLS", "TLS-C", "SSL", "TLS-P"})
_FEATURES: Final = (
    *("AUTH TLS", "PBSZ", "PROT", "EPRT", "EPSV", "HOST", "CLNT"),
    *("AVBL", "MDTM", "MFF modify;", "MFMT", "REST STREAM", "SIZE", "TVFS"),
    *("XCRC", "XMD5", "XSHA256"),
)
_KNOWN_TYPES: Final = frozenset({"A", "I", "L7", "L8"})


def authenticate(session: "Session", argument: str) -> None:
    """AUTH: what was sent in clear behind it must not count as sent under TLS (CVE-2011-0411): it ends the session."""
    if session.is_tls:
        session.reply("503 TLS is on already.")
    elif argument.strip().upper() not in _TLS_NAMES:
        session.reply("504 Use AUTH TLS.")
    elif not session.nothing_is_behind():
        session.hang_up("421 Nothing may follow AUTH before the TLS handshake.")
    else:
        session.log_out()
        session.reply("234 Start the TLS handshake.")
        session.start_tls()


def protection_buffer(session: "Session", _argument: str) -> None:
    """PBSZ (RFC 4217 section 8)."""
    if session.is_tls:
        session.buffer_agreed = True
        session.reply("200 PBSZ=0")
    else:
        session.reply("503 Use AUTH TLS first.")


def protection(session: "Session", argument: str) -> None:
    """PROT (RFC 4217 section 9)."""
    level = argument.strip().upper()
    if not session.is_tls or not session.buffer_agreed:
        session.reply("503 Use AUTH TLS and PBSZ first.")
    elif level in {"C", "P"}:
        session.data.drop()
        session.protect_data(on=level == "P")
        session.reply(f"200 Protection level {level}.")
    elif level in {"S", "E"}:
        session.reply("536 Use PROT P or PROT C.")
    else:
        session.reply("504 Use PROT P or PROT C.")


def passive(session: "Session", _argument: str) -> None:
    """PASV: with the address the client has connected to."""
    if session.only_epsv:
        session.reply("501 You have asked for EPSV ALL.")
    elif ":" in session.address:
        session.reply("522 Use EPSV.")
    elif address := _listen(session):
        numbers = (*session.address.split("."), address.port >> 8, address.port & 0xFF)
        session.reply(f"227 Entering Passive Mode ({','.join(str(number) for number in numbers)}).")


def extended_passive(session: "Session", argument: str) -> None:
    """EPSV (RFC 2428)."""
    wanted = argument.strip().upper()
    own = "2" if ":" in session.address else "1"
    if wanted == "ALL":
        session.only_epsv = True
        session.reply("200 EPSV ALL it is.")
    elif wanted not in {"", own}:
        session.reply(f"522 Network protocol not supported, use ({own}).")
    elif address := _listen(session):
        session.reply(f"229 Entering Extended Passive Mode (|||{address.port}|)")


def _listen(session: "Session") -> DataAddress | None:
    session.data.drop()
    try:
        return session.data.listen()
    except NoPortFreeError:
        session.reply("425 Every passive port is taken; try again.")
        return None


def port(session: "Session", argument: str) -> None:
    """PORT."""
    _connect_later(session, read_port(argument))


def extended_port(session: "Session", argument: str) -> None:
    """EPRT (RFC 2428)."""
    _connect_later(session, read_eprt(argument))


def _connect_later(session: "Session", address: DataAddress | None) -> None:
    """Remember the address: the connection is made when there is something to transfer."""
    if session.only_epsv:
        session.reply("501 You have asked for EPSV ALL.")
    elif not session.compatibility.active_mode:
        session.reply("502 Active mode is off for this account; use EPSV or PASV.")
    elif session.passive_address:
        session.reply("502 Active mode does not lead through this balancer; use EPSV or PASV.")
    elif address is None:
        session.reply("501 That is not an address.")
    elif refusal := data_address.refusal(address, session.peer):
        session.reply(refusal)
    else:
        session.data.drop()
        session.data.active_address = address
        session.reply("200 Noted.")


def representation(session: "Session", argument: str) -> None:
    """TYPE: every type is taken and none converts, so that no client can spoil a file by forgetting TYPE I."""
    kind = argument.upper().split()
    name = "".join(kind[:1]) if kind[:1] != ["L"] else "".join(kind[:2])
    if name in _KNOWN_TYPES and kind[1:] in ([], ["N"], ["8"], ["7"]):
        session.type_name = name
        session.reply(f"200 Type {name}; bytes are kept as they are.")
    else:
        session.reply("504 Use TYPE I or TYPE A.")


def mode(session: "Session", argument: str) -> None:
    """MODE."""
    session.reply("200 Mode S." if argument.strip().upper() == "S" else "504 Only stream mode is there.")


def structure(session: "Session", argument: str) -> None:
    """STRU."""
    session.reply("200 Structure F." if argument.strip().upper() == "F" else "504 Only file structure is there.")


def abort(session: "Session", _argument: str) -> None:
    """ABOR without a transfer (the session itself ends one that is under way)."""
    session.data.drop()
    session.reply("226 No transfer to abort.")


def quit_session(session: "Session", _argument: str) -> None:
    """QUIT: it has waited for the transfer before it, so the 226 has gone out."""
    session.hang_up("221 Goodbye.")


def status(session: "Session", argument: str) -> None:
    """STAT without a path."""
    if argument:
        session.reply("504 Use MLST for one path, LIST for a directory.")
        return
    login = f"Logged in as {session.login.name}" if session.login else "Not logged in"
    lines = [login, f"Type {session.type_name}; structure F; mode S"]
    if session.data.transfer is not None:
        moved_bytes = session.data_channel.get_transmitted_bytes() if session.data_channel else 0
        lines.append(f"A transfer is under way: {moved_bytes} bytes")
    session.reply_lines(211, "Status:", lines, "End")


def features(session: "Session", _argument: str) -> None:
    """FEAT (RFC 2389)."""
    facts = "".join(f"{fact}{'*' if fact in session.facts else ''};" for fact in offered_facts(session))
    names = ("UTF8",) if session.name_encoding == "utf-8" else ()
    session.reply_lines(
        211, "Features:", sorted((*_FEATURES, *names, hash_feature(session.hash_name), f"MLST {facts}")), "End"
    )


def options(session: "Session", argument: str) -> None:
    """OPTS: UTF8 is always on, also before the login; MLST chooses facts (RFC 3659 section 7.9)."""
    name, _, value = argument.partition(" ")
    if name.upper() in {"UTF8", "UTF-8"}:
        on = session.name_encoding == "utf-8"
        session.reply("200 UTF-8 is always on." if on else "504 Names are Latin-1 for this account.")
    elif name.upper() == "MLST":
        wanted = {fact.strip().lower() for fact in value.split(";")}
        chosen = [fact for fact in offered_facts(session) if fact in wanted]
        session.facts = frozenset(chosen)
        session.reply(f"200 MLST OPTS {''.join(f'{fact};' for fact in chosen)}")
    elif name.upper() == "HASH":
        choose_hash(session, value)
    else:
        session.reply("501 There are no options for that.")


def nothing(session: "Session", _argument: str) -> None:
    """NOOP."""
    session.reply("200 Done nothing.")


def allocate(session: "Session", _argument: str) -> None:
    """ALLO."""
    session.reply("202 Not needed here.")


def name_client(session: "Session", _argument: str) -> None:
    """CLNT: some clients say what they are."""
    session.reply("200 Noted.")


def choose_host(session: "Session", argument: str) -> None:
    """HOST (RFC 7151): every site has a port of its own, so the name is only checked."""
    if session.user or session.login is not None:
        session.reply("503 HOST comes before USER.")
    elif is_host_of(session.site.host_names, argument, session.address):
        session.reply("220 Host accepted.")
    else:
        session.reply("504 No such host here.")


def clear_command_channel(session: "Session", _argument: str) -> None:
    """CCC (RFC 4217 section 6): what follows would be open to forgers."""
    session.reply("534 The control connection stays as it is.")


def combine(session: "Session", _argument: str) -> None:
    """COMB: parts that a client sends apart belong together by REST or APPE here."""
    session.reply("502 Files are not combined here; send the parts with APPE, or with REST and STOR.")


def system(session: "Session", _argument: str) -> None:
    """SYST: clients take it for the look of LIST."""
    msdos = session.login is not None and session.compatibility.listing == "msdos"
    session.reply("215 Windows_NT" if msdos else "215 UNIX Type: L8")


def show_help(session: "Session", _argument: str) -> None:
    """HELP."""
    session.reply("214 See RFC 959, 2228, 2389, 2428, 3659 and 4217.")
