"""Clients that are turned away at the VIP, made to wait there, or kept from holding a session open."""

import asyncio
import contextlib
import ftplib
import io
import socket

import msgspec
import pytest

from balancer.choices import MadeChoices
from cluster.ask import get_document
from cluster.balancer_settings import ClientLimits, Pool, Queue, Route
from cluster.settings import Settings
from tests.balancer.running_balancer import bench
from tests.balancer.test_full_nodes import one_session_each
from tests.kit.wait import until


def balancer_with(**changes):
    def change(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, balancer=msgspec.structs.replace(settings.balancer, **changes))

    return change


def greeting(b, source: str = "127.0.0.1") -> str:
    with contextlib.closing(socket.create_connection((b.vip, b.port), 5, source_address=(source, 0))) as sock:
        return sock.recv(200).decode()


@pytest.mark.asyncio
async def test_whom_a_node_has_banned_the_vip_turns_away(tmp_path):
    async with bench(tmp_path) as b:
        b.nodes[1].banned = {"127.0.0.99"}

        def clients():
            until(lambda: greeting(b, "127.0.0.99").startswith("421 Too many failed logins"), "the ban is known")
            assert greeting(b, "127.0.0.98").startswith("220")
            b.nodes[1].banned = set()
            until(lambda: greeting(b, "127.0.0.99").startswith("220"), "the ban is over")

        await asyncio.to_thread(clients)


@pytest.mark.asyncio
async def test_a_network_that_comes_too_fast_is_told_so_and_others_come_in(tmp_path):
    limits = ClientLimits(new_sessions_per_s=0.001, burst=2)
    async with bench(tmp_path, change=balancer_with(client_limits=limits)) as b:
        greetings = [await asyncio.to_thread(greeting, b, f"127.7.7.{number}") for number in (1, 2, 3)]
        assert [text[:3] for text in greetings] == ["220", "220", "421"]
        assert "127.7.7.0/24" in greetings[2]
        assert (await asyncio.to_thread(greeting, b, "127.7.8.1")).startswith("220")


@pytest.mark.asyncio
async def test_a_login_waits_for_room_and_gets_it(tmp_path):
    def change(settings):
        return balancer_with(queue=Queue(sessions=1, wait_s=30.0))(one_session_each(settings))

    async with bench(tmp_path, change=change) as b:

        def clients():
            with contextlib.ExitStack() as stack:
                inside = [stack.enter_context(contextlib.closing(b.client())) for _ in range(2)]
                waiting = stack.enter_context(contextlib.closing(b.client(login=False)))
                waiting.sendcmd("USER station")
                waiting.putcmd("PASS secret")
                until(lambda: b.program.around.nodes.waiting == 1, "the login waits")
                with contextlib.closing(b.client(login=False)) as late, pytest.raises(ftplib.error_temp, match="421"):
                    late.login("station", "secret")  # too many wait already
                inside[0].quit()
                assert waiting.getresp().startswith("230")
                return waiting.pwd(), inside[1].pwd()

        assert await asyncio.to_thread(clients) == ("/", "/")
        assert b.program.around.nodes.waiting == 0


@pytest.mark.asyncio
async def test_sessions_go_where_their_route_says_and_the_choice_can_be_read(tmp_path):
    pools = {"one": Pool(nodes=("node1",), backup=("node2",)), "two": Pool(nodes=("node2",))}

    def change(settings):
        service = msgspec.structs.replace(
            settings.balancer.services["ingest"], pool="one", routes=(Route(pool="two", accounts=("lansurvey",)),)
        )
        return balancer_with(pools=pools, services={"ingest": service})(settings)

    async with bench(tmp_path, change=change) as b:

        def clients():
            with contextlib.closing(b.client()), contextlib.closing(b.client(login=False)) as other:
                other.login("lansurvey", "secret")
                assert [node.sessions for node in b.program.health().nodes] == [1, 1]
            b.in_loop(b.nodes[0].die)
            with contextlib.closing(b.client()) as third:
                assert third.pwd() == "/"
            token = b.cluster.management_token()
            return get_document(b.settings.balancer.management, "choices", MadeChoices, token=token)

        made = (await asyncio.to_thread(clients)).choices
        assert [(choice.account, choice.node) for choice in made[:2]] == [("station", "node1"), ("lansurvey", "node2")]
        assert made[0].verdicts["node2"] == "a backup, and not needed"
        assert made[1].verdicts == {"node2": "chosen: costs 1 by least-sessions"}
        assert made[-1].node == "node2"


@pytest.mark.asyncio
async def test_bytes_without_an_end_of_line_keep_no_session_open(tmp_path):
    async with bench(tmp_path, limits={"idle_timeout_s": 1.0}) as b:

        def client():
            with contextlib.closing(b.client()) as ftp:
                ftp.sock.settimeout(0.2)
                for _ in range(50):
                    with contextlib.suppress(TimeoutError):
                        ftp.sock.send(b"N")
                        return ftp.sock.recv(100)
            return b"it was let talk for 10 s"

        assert (await asyncio.to_thread(client)).startswith(b"421")


@pytest.mark.asyncio
async def test_a_download_comes_from_the_node_that_has_least_to_do(tmp_path):
    def change(settings):
        service = msgspec.structs.replace(settings.balancer.services["ingest"], reads="any")
        return balancer_with(services={"ingest": service})(settings)

    async with bench(tmp_path, change=change) as b:
        b.tree.files["/a"] = b"x" * 1000

        def clients():
            with contextlib.ExitStack() as stack:
                first = stack.enter_context(contextlib.closing(b.client()))
                others = [stack.enter_context(contextlib.closing(b.client())) for _ in range(3)]
                for other, node in zip(others, (1, 0, 1), strict=True):
                    assert b.nodes[node].logins, other
                others[0].quit()
                others[2].quit()
                until(lambda: b.program.health().nodes[1].sessions == 0, "the second node is empty")
                got = []
                first.retrbinary("RETR a", got.append)
                sessions = [node.sessions for node in b.program.health().nodes]
                return b"".join(got), sessions, first.pwd()

        content, sessions, folder = await asyncio.to_thread(clients)
        assert (content, sessions, folder) == (b"x" * 1000, [1, 1], "/")
        assert any(command == "RETR a" for command in b.nodes[1].commands)


@pytest.mark.asyncio
async def test_downloads_come_from_a_read_only_node_and_changes_never_go_there(tmp_path):
    def change(settings):
        service = msgspec.structs.replace(settings.balancer.services["ingest"], reads="any")
        mirror = msgspec.structs.replace(settings.nodes["node2"], read_only=True)
        settings = msgspec.structs.replace(settings, nodes=settings.nodes | {"node2": mirror})
        return balancer_with(services={"ingest": service})(settings)

    async with bench(tmp_path, change=change) as b:
        b.tree.files["/a"] = b"x" * 1000

        def client():
            with contextlib.ExitStack() as stack:
                first, *_ = [stack.enter_context(contextlib.closing(b.client())) for _ in range(3)]
                sessions = [node.sessions for node in b.program.health().nodes]
                first.retrbinary("RETR a", lambda _data: None)
                first.storbinary("STOR b", io.BytesIO(b"new"))
                first.retrbinary("RETR a", lambda _data: None)
                first.mkd("c")
                return sessions

        assert await asyncio.to_thread(client) == [3, 0]
        assert sum(command == "RETR a" for command in b.nodes[1].commands) == 2
        assert {"STOR b", "MKD c"} <= set(b.nodes[0].commands)
        assert not {"STOR b", "MKD c"} & set(b.nodes[1].commands)
