"""Asks a program's management endpoint: how it is, and with the cluster's token for a document or an action."""

import http.client
import urllib.parse
from typing import TypeVar

import msgspec

Document = TypeVar("Document", bound=msgspec.Struct)

TIMEOUT_S = 3.0
_MAX_ANSWER_BYTES = 16 << 20


class UnreachableError(Exception):
    """Nobody answered at the address, or with something else than the document: the message says which and why."""


class RefusedError(Exception):
    """The program understood and said no; the message is its reason."""


def get_document(
    address: tuple[str, int],
    name: str,
    kind: type[Document],
    /,
    *,
    token: str = "",
    timeout_s: float = TIMEOUT_S,
    **query: str,
) -> Document:
    """GET /name at the management address; every document but `health` needs the token.

    RefusedError when the program refuses, UnreachableError when it does not answer.
    """
    return _decode(address, _ask(address, "GET", _path(name, query), token, timeout_s), kind)


def post_action(
    address: tuple[str, int],
    name: str,
    kind: type[Document],
    /,
    *,
    token: str,
    timeout_s: float = TIMEOUT_S,
    **query: str,
) -> Document:
    """POST /name with the token; RefusedError when the program refuses, UnreachableError when it does not answer."""
    return _decode(address, _ask(address, "POST", _path(name, query), token, timeout_s), kind)


def _path(name: str, query: dict[str, str]) -> str:
    return f"/{name}?{urllib.parse.urlencode(query)}" if query else f"/{name}"


def _ask(address: tuple[str, int], method: str, path: str, token: str, timeout_s: float) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection(*address, timeout=timeout_s)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read(_MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{host_and_port(address)} does not answer: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        text = body.decode(errors="replace").strip()
        raise RefusedError(f"{host_and_port(address)} refused {path}: {response.status} {text}")
    return body


def _decode(address: tuple[str, int], body: bytes, kind: type[Document]) -> Document:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UnreachableError(f"{host_and_port(address)} answered with something else: {error}") from error


def host_and_port(address: tuple[str, int]) -> str:
    """As URLs write it (RFC 3986, 3.2.2): an IPv6 address in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
