"""Properties of the readers of hostile bytes: each takes any bytes and fails by an AssertionError, or any other."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Final

from balancer.core.command_line import CommandLineReader, LineTooLongError, parse_command
from balancer.core.data_address import eprt_target, epsv_port, may_connect, pasv_port, port_target
from balancer.core.reply import Reply, ReplyError, ReplyReader
from cluster.host_name import is_host_of
from cluster.proxy_header import FIXED_BYTES, ProxyHeader, ProxyHeaderError, body_length_bytes, decode, encode
from cluster.tree_path import RESERVED, is_below, is_tree_path
from ftpnode.commands.table import COMMANDS
from ftpnode.core.client_path import PathRefusedError, tree_path, view_path
from ftpnode.core.data_address import read_eprt, read_port, refusal
from ftpnode.core.digests import OLD_COMMANDS
from ftpnode.core.line import Line, read_latin1, read_line
from ftpnode.core.listing import read_timestamp
from ftpnode.core.path_argument import split_argument
from tests.fuzz.peers import peer_door, peer_link, peer_wire

_HOME: Final = "Station/home"


def ftpnode_line(data: bytes) -> None:
    """A line at an ftpnode: a command in capitals, known only if it was spelled in ASCII; and its argument."""
    line = read_line(data)
    assert " " not in line.command
    if line.command in COMMANDS:
        assert line.command.lower().encode() in data.lower()
    for each in (line, read_latin1(line)):
        _argument(each)


def _argument(line: Line) -> None:
    before, path = split_argument(line.command, line.argument)
    if path and line.command not in OLD_COMMANDS:
        assert line.argument.endswith(path)
        assert line.argument.startswith(before)
    _path(path)
    for read in (read_port, read_eprt):
        address = read(line.argument)
        if address is not None:
            ipaddress.ip_address(address.host)
            assert 0 <= address.port <= 65535
            assert refusal(address, "192.0.2.1") is not None or (address.host == "192.0.2.1" and address.port > 1023)
    moment_s = read_timestamp(line.argument)
    assert moment_s is None or len(line.argument) >= 14
    assert not is_host_of((), line.argument, "192.0.2.1") or "192.0.2.1" in line.argument


def path_argument(data: bytes) -> None:
    """A path as a client of FTP or SFTP wrote it: its tree path is canonical and in the home, or it is refused."""
    _path(data.decode("utf-8", "surrogateescape"))
    _path(data.decode("latin-1"))


def _path(text: str) -> None:
    for backslashes in (False, True):
        view = view_path("/in/here", text, backslashes=backslashes)
        assert view.startswith("/")
        assert view == "/" or not {"", ".", ".."} & set(view[1:].split("/"))
        assert view_path("/elsewhere", view, backslashes=backslashes) == view
        for home in ("", _HOME):
            try:
                path = tree_path(home, view)
            except PathRefusedError:
                continue
            assert path == "" or is_tree_path(path)
            assert path == home or is_below(path, home)
            assert path.split("/")[0] != RESERVED


def balancer_stream(data: bytes) -> None:
    """A control stream at the balancer: the same lines however the bytes come."""
    lines = _lines([data])
    assert lines == _lines([data[at : at + 1] for at in range(len(data))])
    assert lines == _lines([data[: len(data) // 2], data[len(data) // 2 :]])
    for line in lines or ():
        assert "\n" not in line
        command = parse_command(line)
        assert " " not in command.verb
        if command.verb in COMMANDS:
            assert command.verb.lower().encode() in data.replace(b"\xff", b"").lower() or b"\xff" in data
        for target in (port_target(command.argument), eprt_target(command.argument)):
            assert target is None or (0 <= target[1] < 65536 and may_connect(target, target[0]) == (target[1] >= 1024))


def _lines(pieces: list[bytes]) -> list[str] | None:
    reader, lines = CommandLineReader(), []
    try:
        for piece in pieces:
            lines += reader.feed(piece)
    except LineTooLongError:
        return None
    return lines


def node_replies(data: bytes) -> None:
    """What a node answers the balancer: the same replies however the bytes come, or none at all."""
    whole = _replies([data])
    if whole is not None:
        assert whole == _replies([data[at : at + 1] for at in range(len(data))])
    for answer in whole or ():
        for port in (pasv_port(answer.text), epsv_port(answer.text)):
            assert port is None or 0 <= port < 65536


def _replies(pieces: list[bytes]) -> list[Reply] | None:
    reader, replies = ReplyReader(), []
    try:
        for piece in pieces:
            replies += reader.feed(piece)
    except ReplyError:
        return None
    return replies


def proxy_header(data: bytes) -> None:
    """A PROXY header: refused by name, or read; what was read says the same when it is written and read again."""
    try:
        header = decode(data)
    except ProxyHeaderError:
        return
    assert body_length_bytes(data[:FIXED_BYTES]) == len(data) - FIXED_BYTES
    assert isinstance(header, ProxyHeader)
    assert header.session == "" or (header.session.isascii() and header.session.isalnum())
    assert decode(encode(header)) == header


PROPERTIES: Final[Mapping[str, Callable[[bytes], None]]] = {
    "ftpnode_line": ftpnode_line,
    "path_argument": path_argument,
    "balancer_stream": balancer_stream,
    "node_replies": node_replies,
    "proxy_header": proxy_header,
    "peer_wire": peer_wire,
    "peer_door": peer_door,
    "peer_link": peer_link,
}
