"""One TLS connection between two replicators: messages in, messages out, and when the other end was last heard."""

import asyncio
import ssl
from typing import Final, TypeVar

import msgspec

from cluster.clock import monotonic_s
from cluster.frame import HEADER_BYTES, FrameTooLongError, frame, frame_length_bytes
from cluster.settings import Cluster, Node
from replicator.wire import Message, decode, encode

_Kind = TypeVar("_Kind", bound=Message)
_HIGH_WATER_BYTES: Final = 4 << 20


class PeerError(Exception):
    """The other end is not who it should be, or says what it must not: the connection ends."""


LOST: Final = (OSError, EOFError, PeerError, FrameTooLongError, msgspec.MsgspecError, asyncio.TimeoutError)
"""How a connection ends."""


class Connection:
    """One connection, either end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard_s = monotonic_s()
        writer.transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._writer.is_closing()

    async def send(self, message: Message) -> None:
        """Send one message; waits while too much is unsent. OSError when the connection is gone."""
        if self._writer.is_closing():
            raise ConnectionResetError("the connection to the peer is closed")
        self._writer.write(frame(encode(message)))
        await self._writer.drain()

    async def receive(self) -> Message:
        """The next message; one of LOST when there will be none."""
        header = await self._reader.readexactly(HEADER_BYTES)
        message = decode(await self._reader.readexactly(frame_length_bytes(header)))
        self.heard_s = monotonic_s()
        return message

    async def expect(self, kind: type[_Kind], timeout_s: float) -> _Kind:
        """The next message, which must be of that kind."""
        message = await asyncio.wait_for(self.receive(), timeout_s)
        if not isinstance(message, kind):
            text = f"sent {type(message).__name__} where {kind.__name__} belongs"
            raise PeerError(text)
        return message

    def names(self) -> frozenset[str]:
        """The DNS names in the other end's certificate."""
        certificate = self._writer.get_extra_info("peercert") or {}
        return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")

    def close(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()


def server_tls(cluster: Cluster, node: Node) -> ssl.SSLContext:
    """TLS 1.3 for the answering end: the dialler must show a certificate of the cluster. OSError for missing files."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cluster.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return _common(context, node)


def client_tls(cluster: Cluster, node: Node) -> ssl.SSLContext:
    """TLS 1.3 for the dialling end: the answerer's certificate must name the node that was dialled."""
    return _common(ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=cluster.ca), node)


def _common(context: ssl.SSLContext, node: Node) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(node.certificate, node.key)
    return context


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, however deep: which of several ended a connection first is what to tell."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
