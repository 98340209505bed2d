"""What clients meet at the VIP: TLS, passive and active data connections, odd commands, faithful endings."""

import asyncio
import contextlib
import ftplib
import io
import socket
import ssl
import struct
from pathlib import Path

import pytest
import structlog
from OpenSSL import SSL

from balancer import spool
from balancer.spool_memory import SEGMENT_BYTES
from cluster.balancer_settings import Spool
from cluster.health import NodeState
from tests.balancer.running_balancer import bench
from tests.kit.wait import until

CONTENT = bytes(range(256)) * 8000
FULL = Path("/dev/full")
"""A disk that takes nothing."""


def trusting(b):
    return ssl.create_default_context(cafile=str(b.cluster.ca))


def tls_client(b, context=None):
    ftp = ftplib.FTP_TLS(timeout=10, context=context or trusting(b))
    ftp.connect(b.vip, b.port)
    ftp.login("station", "secret")
    return ftp


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("protected", [True, False])
async def test_a_client_over_tls_uploads_and_downloads(tmp_path, protected, version):
    async with bench(tmp_path) as b:

        def talk():
            context = trusting(b)
            context.minimum_version = context.maximum_version = version
            ftp = tls_client(b, context)
            if protected:
                ftp.prot_p()
            stored = ftp.storbinary("STOR a", io.BytesIO(CONTENT))
            got = io.BytesIO()
            ftp.retrbinary("RETR a", got.write)
            ftp.quit()
            return stored, got.getvalue()

        stored, got = await asyncio.to_thread(talk)
        assert stored.startswith("226")
        assert got == CONTENT
        assert any(header.tls for node in b.nodes for header in node.headers)


@pytest.mark.asyncio
@pytest.mark.parametrize(("moment", "memory_bytes"), [("STOR half", 0), ("STOR half", SEGMENT_BYTES), ("RETR half", 0)])
async def test_a_transfer_over_tls_survives_a_node(tmp_path, moment, memory_bytes):
    async with bench(tmp_path, spool=Spool(folder=tmp_path, memory_bytes=memory_bytes)) as b:
        b.tree.files["/down"] = CONTENT
        b.arm(moment)

        def talk():
            ftp = tls_client(b)
            ftp.prot_p()
            ftp.storbinary("STOR up", io.BytesIO(CONTENT))
            got = io.BytesIO()
            ftp.retrbinary("RETR down", got.write)
            ftp.close()
            return got.getvalue()

        assert await asyncio.to_thread(talk) == CONTENT
        assert b.tree.files["/up"] == CONTENT


@pytest.mark.asyncio
async def test_bytes_behind_auth_end_the_session(tmp_path):
    async with bench(tmp_path) as b:

        def talk():
            with socket.create_connection((b.vip, b.port), timeout=5) as sock:
                sock.recv(100)
                sock.sendall(b"AUTH TLS\r\nUSER station\r\n")
                got = b""
                while data := sock.recv(1000):
                    got += data
                return got

        got = await asyncio.to_thread(talk)
        assert got.startswith(b"421")
        assert b"331" not in got


@pytest.mark.asyncio
async def test_an_active_client_is_served_at_its_own_address_only(tmp_path):
    async with bench(tmp_path) as b:

        def talk(ftp):
            ftp.set_pasv(False)
            ftp.storbinary("STOR a", io.BytesIO(CONTENT))
            got = io.BytesIO()
            ftp.retrbinary("RETR a", got.write)
            with pytest.raises(ftplib.error_perm, match="501"):
                ftp.sendcmd("PORT 127,9,9,9,100,1")
            with pytest.raises(ftplib.error_perm, match="501"):
                ftp.sendcmd("PORT 127,0,0,1,0,22")
            return got.getvalue()

        assert await b.run(talk) == CONTENT


def cut_by_reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.asyncio
async def test_an_upload_cut_by_reset_is_cut_at_the_node(tmp_path):
    async with bench(tmp_path) as b:

        def talk(ftp):
            ftp.voidcmd("TYPE I")
            conn = ftp.transfercmd("STOR cut")
            conn.sendall(CONTENT)
            cut_by_reset(conn)
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.voidresp()
            return ftp.sendcmd("NOOP")

        assert (await b.run(talk)).startswith("200")
        assert "/cut" not in b.tree.files
        assert [ending for node in b.nodes for ending in node.endings] == ["cut"]


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_upload_over_tls_without_close_notify_is_cut_at_the_node(tmp_path, version):
    async with bench(tmp_path) as b:

        def talk():
            context = trusting(b)
            context.minimum_version = context.maximum_version = version
            ftp = tls_client(b, context)
            ftp.prot_p()
            ftp.voidcmd("TYPE I")
            conn = ftp.transfercmd("STOR cut")
            conn.sendall(CONTENT)
            conn.shutdown(socket.SHUT_WR)
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.voidresp()
            conn.close()
            ftp.close()

        await asyncio.to_thread(talk)
        assert "/cut" not in b.tree.files
        assert [ending for node in b.nodes for ending in node.endings] == ["cut"]


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
async def test_an_upload_by_a_client_that_never_reads_its_data_connection_is_whole(tmp_path, version):
    """As curl: close_notify, then close; what is unread then makes the kernel drop what it has not sent."""
    content = CONTENT * 4
    async with bench(tmp_path) as b:

        def talk():
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_min_proto_version(version)
            context.set_max_proto_version(version)
            ftp = tls_client(b)
            ftp.sendcmd("PBSZ 0")
            ftp.sendcmd("PROT P")
            ftp.voidcmd("TYPE I")
            for name in ("one", "two", "three"):
                sock = ftp.transfercmd(f"STOR {name}")
                sock.settimeout(None)
                data = SSL.Connection(context, sock)
                data.set_connect_state()
                data.sendall(content)
                data.shutdown()
                sock.close()
                assert ftp.voidresp().startswith("226")
            ftp.close()

        await asyncio.to_thread(talk)
        assert [b.tree.files[f"/{name}"] for name in ("one", "two", "three")] == [content] * 3


@pytest.mark.asyncio
async def test_a_lent_port_ignores_strangers(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/down"] = CONTENT

        def talk(ftp):
            ftp.voidcmd("TYPE I")
            host, port = ftp.makepasv()
            stranger = socket.create_connection((host, port), timeout=5, source_address=("127.66.66.66", 0))
            assert stranger.recv(1) == b""
            stranger.close()
            with socket.create_connection((host, port), timeout=5) as own:
                ftp.sendcmd("RETR down")
                got = b""
                while data := own.recv(1 << 16):
                    got += data
            ftp.voidresp()
            return got

        assert await b.run(talk) == CONTENT


@pytest.mark.asyncio
async def test_exhausted_passive_ports_are_said(tmp_path):
    async with bench(tmp_path, ports=(40000, 40001)) as b:

        def talk():
            clients = [b.client() for _ in range(3)]
            answers = []
            for client in clients:
                try:
                    answers.append(client.sendcmd("EPSV")[:3])
                except ftplib.error_temp as error:
                    answers.append(str(error)[:3])
            clients[0].close()
            return clients, answers

        clients, answers = await asyncio.to_thread(talk)
        assert answers == ["229", "229", "425"]
        for client in clients:
            client.close()


@pytest.mark.asyncio
async def test_an_upload_beyond_the_spool_goes_through(tmp_path):
    async with bench(tmp_path, spool=Spool(folder=tmp_path, session_bytes=100_000)) as b:
        answer = await b.run(lambda ftp: ftp.storbinary("STOR big", io.BytesIO(CONTENT)))
        assert answer.startswith("226")
        assert b.tree.files["/big"] == CONTENT


@pytest.mark.asyncio
@pytest.mark.parametrize("bound", ["session_bytes", "total_bytes"])
async def test_an_upload_beyond_the_spool_is_not_repeated_but_cut_and_the_log_says_why(tmp_path, bound):
    async with bench(tmp_path, spool=Spool(folder=tmp_path, **{bound: 100_000})) as b:
        b.arm("STOR before 226")

        def talk(ftp):
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.storbinary("STOR big", io.BytesIO(CONTENT))
            return ftp.pwd()

        with structlog.testing.capture_logs() as logs:
            assert await b.run(talk) == "/"
        (transfer,) = [line for line in logs if line["event"] == "transfer"]
        assert (transfer["reply"], transfer["why"]) == (426, "the spool could not hold the upload")
        assert b.program.health().spool_bytes == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("memory_bytes", [0, SEGMENT_BYTES])
async def test_a_full_spool_disk_is_said_with_452_and_the_session_goes_on(tmp_path, monkeypatch, memory_bytes):
    monkeypatch.setattr(spool, "new_file", lambda _: FULL.open("r+b", buffering=0))
    async with bench(tmp_path, spool=Spool(folder=tmp_path, memory_bytes=memory_bytes)) as b:

        def talk(ftp):
            data = ftp.transfercmd("STOR big")
            with data, contextlib.suppress(ConnectionError):
                data.sendall(CONTENT)
            with pytest.raises(ftplib.error_temp, match=r"\A452 [^\n]+\Z"):
                ftp.voidresp()
            return ftp.pwd()

        assert await b.run(talk) == "/"
        assert "/big" not in b.tree.files


@pytest.mark.asyncio
async def test_a_client_aborts_a_download(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/down"] = CONTENT * 10

        def talk(ftp):
            ftp.voidcmd("TYPE I")
            conn = ftp.transfercmd("RETR down")
            conn.recv(1000)
            ftp.sock.sendall(b"\xff\xf4\xff\xf2ABOR\r\n")
            replies = ftp.getline()[:3], ftp.getline()[:3]
            conn.close()
            return *replies, ftp.pwd()

        assert await b.run(talk) == ("426", "226", "/")


@pytest.mark.asyncio
async def test_quit_in_a_transfer_comes_after_it(tmp_path):
    async with bench(tmp_path) as b:
        b.tree.files["/down"] = CONTENT * 10  # more than the sockets hold, so that it cannot be over before STAT

        def talk(ftp):
            ftp.voidcmd("TYPE I")
            conn = ftp.transfercmd("RETR down")
            ftp.sock.sendall(b"STAT\r\nquit\n")
            while conn.recv(1 << 16):
                pass
            conn.close()
            return ftp.getline()[:3], ftp.getline()[:3], ftp.getline()[:3]

        assert await b.run(talk) == ("213", "226", "221")


@pytest.mark.asyncio
async def test_a_draining_node_is_left_by_idle_sessions_at_once(tmp_path):
    async with bench(tmp_path) as b:
        client = await asyncio.to_thread(b.client)
        busy = next(node for node in b.nodes if node.logins)
        busy.state = NodeState.DRAINING
        await asyncio.to_thread(until, lambda: "QUIT" in busy.commands, "the node is left", 5)
        assert await asyncio.to_thread(client.pwd) == "/"
        assert busy.commands[-1] == "QUIT"
        client.close()


@pytest.mark.asyncio
async def test_a_long_digest_is_not_taken_for_a_lost_node(tmp_path):
    async with bench(tmp_path, reply_timeout_s=0.5) as b:
        digest = asyncio.create_task(b.run(lambda ftp: ftp.sendcmd("HASH a")))
        await asyncio.to_thread(until, lambda: "HASH a" in b.commands, "a node reads", 10)
        b.arm("PWD", "hang")
        assert await b.run(lambda ftp: ftp.pwd()) == "/"  # asked of another node: so long the first one was silent
        for node in b.nodes:
            node.has_read.set()
        assert (await digest).startswith("213")
        assert b.commands.count("HASH a") == 1
