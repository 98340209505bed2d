"""Sessions of probes at the nodes, over which the balancer asks what no client may."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from balancer.core.reply import Reply, ReplyReader
from cluster.clock import now_s
from cluster.proxy_header import ProxyHeader, encode
from cluster.session_token import make_token
from cluster.settings import Settings
from cluster.signed_header import sign


class NotHealthyError(Exception):
    """The node did not do what it must."""


class ProbeSession:
    """One control connection, greeted already; each wait is bounded by whoever asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = ReplyReader()

    async def ask(self, line: str) -> Reply:
        """The reply to a command; NotHealthyError, ReplyError or OSError without one."""
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()
        return await self.reply()

    async def expect(self, line: str, code: int) -> Reply:
        """The reply to a command, which must have this code; else NotHealthyError."""
        return expected(await self.ask(line), code)

    async def reply(self) -> Reply:
        """The next reply."""
        while data := await self._reader.read(4096):
            answers = self._replies.feed(data)
            if answers:
                return answers[0]
        raise NotHealthyError("the node closed the connection")


class ProbeDoor:
    """Opens sessions of probes at any node."""

    def __init__(self, settings: Settings, token_key: bytes) -> None:
        self._settings = settings
        self._token_key = token_key
        is_tls = settings.balancer.node_tls == "required"
        self._tls = ssl.create_default_context(cafile=str(settings.cluster.ca)) if is_tls else None
        sites = frozenset[str]().union(*(service.sites for service in settings.balancer.services.values()))
        self.sites = tuple(sorted(sites))
        """Those that are balanced."""

    @asynccontextmanager
    async def open(self, node: str, site: str) -> AsyncIterator[ProbeSession]:
        """A session at a site of a node, without login."""
        address, port = self._settings.nodes[node].address, self._settings.sites[site].port
        source = self._settings.balancer.source_address(address)
        reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0))
        try:
            # LOCAL marks a probe; TLS is claimed so that an account which needs it can be probed too.
            header = ProxyHeader(source=None, destination=None, tls=True, leg_tls=self._tls is not None)
            writer.write(sign(encode(header), self._token_key, now_s()))
            if self._tls is not None:
                await writer.start_tls(self._tls, server_hostname=node)
            session = ProbeSession(reader, writer)
            expected(await session.reply(), 220)
            yield session
        finally:
            writer.transport.abort()  # closing TLS politely would wait for a node that hangs

    async def log_in(self, session: ProbeSession, site: str) -> None:
        """Log in as the first account of the site; NotHealthyError when the node does not let it in."""
        account = self._settings.sites[site].accounts[0]
        token = make_token(self._token_key, site, account, now_s(), secrets.token_hex(8))
        await session.expect(f"USER {account}", 331)
        await session.expect(f"PASS {token}", 230)


def expected(answer: Reply, code: int) -> Reply:
    """The reply, if it has this code; else NotHealthyError."""
    if answer.code != code:
        message = f"{answer.lines[-1]!r} where {code} belongs"
        raise NotHealthyError(message)
    return answer
