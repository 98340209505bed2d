"""The management endpoint every program serves: GET /health, /metrics, /<document>, /<lookup>?…, POST /<action>?….

The health document and the metrics are open to whoever reaches the address, which belongs on a private network. Other
documents tell of clients and accounts; they and every action need `Authorization: Bearer` with the cluster's token.
"""

import asyncio
import hmac
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import prometheus_client
from aiohttp import web

_JSON: Final = "application/json"
MAX_BODY_BYTES: Final = 64 << 10

Health = Callable[[], msgspec.Struct]
Document = Callable[[], msgspec.Struct | Awaitable[msgspec.Struct]]
"""NotNowError says in one line why it cannot be had (answered as 503)."""
Lookup = Callable[[Mapping[str, str]], Awaitable[msgspec.Struct]]
"""A document about what the query's parameters name; ValueError says in one line what is wrong with them (400)."""
Action = Callable[[Mapping[str, str]], Awaitable[msgspec.Struct]]
"""Takes the query's parameters; ValueError says in one line what is wrong with them (answered as 400)."""


class NotNowError(Exception):
    """A document cannot be had now; the message says why."""


class Management:
    """What one program serves on its management address; `refresh` is awaited before the metrics are told."""

    def __init__(
        self,
        *,
        health: Health,
        registry: prometheus_client.CollectorRegistry,
        token: str,
        documents: Mapping[str, Document] | None = None,
        lookups: Mapping[str, Lookup] | None = None,
        actions: Mapping[str, Action] | None = None,
        refresh: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._token = token
        self._actions = dict(actions or {})
        self._health = health
        self._documents = dict(documents or {})
        self._lookups = dict(lookups or {})
        self._refresh = refresh
        self._description: Mapping[str, object] | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.BaseSite | None = None

    def describe(self, description: Mapping[str, object]) -> None:
        """Tell this OpenAPI document of it all to everybody, at GET /openapi.json."""
        self._description = description

    async def start(self, address: str, port: int) -> None:
        """Listen; OSError when the address cannot be bound."""
        await self._begin(web.TCPSite(await self._set_up(), address, port, reuse_address=True))

    async def open(self, listener: socket.socket) -> None:
        """Listen on a copy of this socket, for the first time or after `shut`."""
        await self._begin(web.SockSite(await self._set_up(), listener.dup()))

    async def shut(self) -> None:
        """Take no more connections and end the idle ones; what is being asked is still answered."""
        if self._site is not None and self._runner is not None and self._runner.server is not None:
            await self._site.stop()
            self._runner.server.pre_shutdown()

    async def _set_up(self) -> web.AppRunner:
        if self._runner is None:
            application = web.Application(client_max_size=MAX_BODY_BYTES)
            application.router.add_get("/metrics", self._metrics)
            application.router.add_get("/{name}", self._document)
            application.router.add_post("/{name}", self._act)
            self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
            await self._runner.setup()
        return self._runner

    async def _begin(self, site: web.BaseSite) -> None:
        self._site = site
        await site.start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        if self._refresh is not None:
            await self._refresh()
        text = prometheus_client.generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    async def _document(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "health":
            return web.Response(body=msgspec.json.encode(self._health()), content_type=_JSON)
        if name == "openapi.json" and self._description is not None:
            return web.Response(body=msgspec.json.encode(self._description), content_type=_JSON)
        if name in self._lookups:
            return await self._answer(request, self._lookups[name])
        document = self._documents.get(name)
        if document is None:
            raise web.HTTPNotFound
        self._demand_token(request)
        try:
            told = document()
            answer = await told if isinstance(told, Awaitable) else told
        except NotNowError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
        return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)

    async def _act(self, request: web.Request) -> web.Response:
        action = self._actions.get(request.match_info["name"])
        if action is None:
            raise web.HTTPNotFound
        return await self._answer(request, action)

    async def _answer(self, request: web.Request, ask: Lookup | Action) -> web.Response:
        self._demand_token(request)
        try:
            answer = await ask(dict(request.query))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)

    def _demand_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self._token}".encode()):
            raise web.HTTPForbidden(text="this needs the cluster's management token\n")


class ManagementThread:
    """Serves a Management beside a program whose own loop is not asyncio's."""

    def __init__(self, management: Management, address: str, port: int) -> None:
        """OSError when the address cannot be bound."""
        self._management = management
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(management.start(address, port))
        except OSError:
            self._loop.run_until_complete(management.stop())
            self._loop.close()
            raise
        self._thread = threading.Thread(target=self._loop.run_forever, name="management", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and join the thread."""
        asyncio.run_coroutine_threadsafe(self._management.stop(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()
