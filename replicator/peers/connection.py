"""One TLS connection between two replicators: messages in, messages out, and when the other end was last heard."""

import asyncio
import ssl
from collections import deque
from typing import Final, TypeVar

import msgspec

from cluster.clock import monotonic_s
from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.settings import Cluster, Node
from replicator.core.packing import Costs, learned
from replicator.peers.wire import Message, decode, encode

_Kind = TypeVar("_Kind", bound=Message)
_HIGH_WATER_BYTES: Final = 4 << 20
_GATHERED_BYTES: Final = 64 << 10
_READ_BYTES: Final = 256 << 10


class PeerError(Exception):
    """The other end is not who it should be, or says what it must not: the connection ends."""


LOST: Final = (OSError, EOFError, PeerError, FrameTooLongError, msgspec.MsgspecError, asyncio.TimeoutError)
"""How a connection ends."""


class Connection:
    """One connection, either end; `send_s` is how many seconds a byte takes to send, as far as it is known."""

    send_s = Costs().send_s

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader()
        self._messages: deque[bytes] = deque()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self.heard_s = monotonic_s()
        self._busy_since_s, self._busy_bytes = self.heard_s, 0
        writer.transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._writer.is_closing()

    async def send(self, message: Message) -> None:
        """Send one message; waits while too much is unsent. OSError when the connection is gone."""
        if self._writer.is_closing():
            raise ConnectionResetError("the connection to the peer is closed")
        payload = frame(encode(message))
        if not self._unsent and not self._writer.transport.get_write_buffer_size():
            self._busy_since_s, self._busy_bytes = monotonic_s(), 0
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(payload)
        self._unsent_bytes += len(payload)
        if self._unsent_bytes > _GATHERED_BYTES:
            self._flush()
        self._busy_bytes += len(payload)
        if self._writer.transport.get_write_buffer_size() > _HIGH_WATER_BYTES:
            await self._writer.drain()
            sent_bytes = self._busy_bytes - self._writer.transport.get_write_buffer_size()
            self.send_s = learned(self.send_s, monotonic_s() - self._busy_since_s, sent_bytes)

    def _flush(self) -> None:
        """What is said in one turn of the loop goes out together: each write has its price in TLS and in the kernel."""
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        if unsent and not self._writer.is_closing():
            self._writer.write(b"".join(unsent))

    async def receive(self) -> Message:
        """The next message; one of LOST when there will be none."""
        while not self._messages:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                raise EOFError("the peer closed the connection")
            self._messages += self._frames.feed(data)
        message = decode(self._messages.popleft())
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
