"""Looks after one node, again and again: does every site greet, does a login work, what does it say of itself."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import msgspec

from balancer.core.features import names_in
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.core.reply import Reply, ReplyError, ReplyReader
from cluster.ask import host_and_port
from cluster.clock import now_s
from cluster.health import FtpnodeHealth, NodeState
from cluster.live import Bans
from cluster.proxy_header import ProxyHeader, encode
from cluster.session_token import make_token
from cluster.settings import Settings
from cluster.signed_header import sign

LOGIN_EVERY: Final = 5
"""One probe in so many logs in; the others read the greeting."""


class NotHealthyError(Exception):
    """The node did not do what it must."""


class Prober:
    """Probes one node until it is cancelled; `report` takes what each probe found."""

    def __init__(
        self,
        settings: Settings,
        node: str,
        token_key: bytes,
        token: str,
        report: Callable[[str, ProbePassed | ProbeFailed], None],
    ) -> None:
        self._settings = settings
        self._name = node
        self._node = settings.nodes[node]
        self._token_key = token_key
        self._token = token
        is_tls = settings.balancer.node_tls == "required"
        self._tls = ssl.create_default_context(cafile=str(settings.cluster.ca)) if is_tls else None
        self._report = report
        sites = frozenset[str]().union(*(service.sites for service in settings.balancer.services.values()))
        self._sites = {name: settings.sites[name] for name in sorted(sites)}

    async def run(self) -> None:
        """Probe for ever, `interval_s` from one beginning to the next where the node is fast enough."""
        probe = self._settings.balancer.probe
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=probe.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            number = 0
            while True:
                began_s = loop.time()
                self._report(self._name, await self._probe(http, login=number % LOGIN_EVERY == 0))
                number += 1
                await asyncio.sleep(max(0.0, began_s + probe.interval_s - loop.time()))

    async def _probe(self, http: aiohttp.ClientSession, *, login: bool) -> ProbePassed | ProbeFailed:
        try:
            async with asyncio.timeout(self._settings.balancer.probe.timeout_s):
                features: frozenset[str] | None = None
                for site in self._sites:
                    of_site = await self._try_site(site, login=login)
                    features = of_site if features is None or of_site is None else features & of_site
                health = await self._read_health(http)
                banned = await self._read_bans(http) if login else None
        except TimeoutError:
            return ProbeFailed("no answer in time", silent=True)
        except (OSError, aiohttp.ClientError, ReplyError, NotHealthyError, msgspec.DecodeError) as error:
            return ProbeFailed(str(error) or type(error).__name__)
        if isinstance(health, ProbePassed):
            return msgspec.structs.replace(health, features=features, banned=banned)
        return health

    async def _try_site(self, name: str, *, login: bool) -> frozenset[str] | None:
        """Does it greet, and where `login` says so, log in? Then its features."""
        features = None
        site = self._settings.sites[name]
        async with self._connection(site.port) as (reader, writer):
            replies = ReplyReader()
            _expect(await _reply(reader, replies), 220)
            if login and site.accounts:
                account = site.accounts[0]
                token = make_token(self._token_key, name, account, now_s(), secrets.token_hex(8))
                _expect(await _ask(reader, writer, replies, f"USER {account}"), 331)
                _expect(await _ask(reader, writer, replies, f"PASS {token}"), 230)
                features = names_in((await _ask(reader, writer, replies, "FEAT")).lines)
            writer.write(b"QUIT\r\n")
            await writer.drain()
            await _reply(reader, replies)
        return features

    @asynccontextmanager
    async def _connection(self, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        source = self._settings.balancer.source_address(self._node.address)
        reader, writer = await asyncio.open_connection(self._node.address, port, local_addr=(source, 0))
        try:
            # LOCAL marks a probe; TLS is claimed so that an account which needs it can be probed too.
            header = ProxyHeader(source=None, destination=None, tls=True, leg_tls=self._tls is not None)
            writer.write(sign(encode(header), self._token_key, now_s()))
            if self._tls is not None:
                await writer.start_tls(self._tls, server_hostname=self._name)
            yield reader, writer
        finally:
            writer.transport.abort()  # closing TLS politely would wait for a node that hangs

    async def _read_health(self, http: aiohttp.ClientSession) -> ProbePassed | ProbeFailed:
        async with http.get(f"http://{host_and_port(self._node.management)}/health") as response:
            response.raise_for_status()
            health = msgspec.json.decode(await response.read(), type=FtpnodeHealth)
        if health.node != self._name:
            return ProbeFailed(f"this is node {health.node}")
        why = "" if health.state is NodeState.READY else "; ".join(health.notices) or f"says it is {health.state.value}"
        return ProbePassed(
            health.state,
            why,
            disk_free=health.disk_free_bytes / health.disk_total_bytes if health.disk_total_bytes else 1.0,
            disk_full=_why_full(health, self._settings.replication.disk_reserve_bytes),
            drain_left_s=health.drain_left_s,
            backlog_files=health.replicator.wanted_files if health.replicator is not None else 0,
        )

    async def _read_bans(self, http: aiohttp.ClientSession) -> frozenset[str]:
        """The client addresses that this node has banned; they are turned away at the VIP too."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with http.get(f"http://{host_and_port(self._node.management)}/bans", headers=headers) as response:
            response.raise_for_status()
            bans = msgspec.json.decode(await response.read(), type=Bans)
        return frozenset(ban.address for ban in bans.bans)


def _why_full(health: FtpnodeHealth, reserve_bytes: int) -> str:
    """Why the node refuses uploads for its disk; empty where it does not, or has not looked yet."""
    if not health.disk_total_bytes or health.disk_free_bytes >= reserve_bytes:
        return ""
    return f"takes no uploads: its disk has {health.disk_free_bytes} bytes left, and the reserve is {reserve_bytes}"


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: ReplyReader, line: str) -> Reply:
    writer.write(f"{line}\r\n".encode())
    return await _reply(reader, replies)


async def _reply(reader: asyncio.StreamReader, replies: ReplyReader) -> Reply:
    while data := await reader.read(4096):
        answers = replies.feed(data)
        if answers:
            return answers[0]
    raise NotHealthyError("the node closed the connection")


def _expect(answer: Reply, code: int) -> None:
    if answer.code != code:
        message = f"{answer.lines[-1]!r} where {code} belongs"
        raise NotHealthyError(message)
