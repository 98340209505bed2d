"""TLS at the VIP: implicit too, each session's its own, with client certificates, and certificates that are renewed."""

import asyncio
import ftplib
import io
import socket
import ssl

import msgspec
import pytest
import trustme

from cluster.clock import utc_now
from cluster.settings import Resumption
from compose.authority import Authority
from tests.balancer.running_balancer import bench
from tests.kit.client_certificates import issue
from tests.kit.clients import ImplicitFtps

CONTENT = bytes(range(256)) * 8000
IMPLICIT_PORT = 2990
replace = msgspec.structs.replace


def trusting(b, version=None):
    context = ssl.create_default_context(cafile=str(b.cluster.ca))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class ResumingFtps(ftplib.FTP_TLS):
    """Offers `session` on its data connections, as curl and lftp do and ftplib does not."""

    session = None

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(conn, server_hostname=self.host, session=self.session), size


def resuming_client(b, context):
    ftp = ResumingFtps(timeout=10, context=context)
    ftp.connect(b.vip, b.port)
    ftp.login("station", "secret")
    ftp.prot_p()
    return ftp


def with_station(**changes):
    def change(settings):
        station = replace(settings.accounts["station"], **changes)
        return replace(settings, accounts=settings.accounts | {"station": station})

    return change


def with_implicit(settings):
    services = {name: replace(one, implicit_port=IMPLICIT_PORT) for name, one in settings.balancer.services.items()}
    return replace(settings, balancer=replace(settings.balancer, services=services))


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_tls_of_one_control_session_is_never_resumed_on_anothers_data_connection(tmp_path, version):
    async with bench(tmp_path, change=with_station(data_tls_resumption=Resumption.REQUIRE)) as b:

        def store(ftp, session):
            ftp.session = session
            with ftp.transfercmd("STOR a") as conn:
                reused = conn.session_reused
                try:
                    return reused, ftp.voidresp() if not reused else finish(ftp, conn)
                except ftplib.error_perm as error:
                    return reused, str(error)

        def finish(ftp, conn):
            conn.sendall(CONTENT)
            conn.unwrap()
            return ftp.voidresp()

        def talk():
            context = trusting(b, version)
            one, other = resuming_client(b, context), resuming_client(b, context)
            tried = [store(other, session) for session in (other.sock.session, one.sock.session, None)]
            again = store(other, other.sock.session)
            for ftp in (one, other):
                ftp.close()
            return tried, again

        (own, others, none), again = await asyncio.to_thread(talk)
        assert own[0], "its own session is resumed"
        assert own[1].startswith("226")
        assert not others[0]
        assert others[1].startswith("522")
        assert none[1].startswith("522")
        assert again[1].startswith("226"), "a refusal costs the session nothing"
        assert b.tree.files["/a"] == CONTENT


@pytest.mark.asyncio
@pytest.mark.parametrize(("offered", "chosen"), [("http/1.1", None), ("ftp", "ftp")])
async def test_a_browser_that_was_sent_here_is_refused_in_the_handshake(tmp_path, offered, chosen):
    async with bench(tmp_path, change=with_implicit) as b:

        def talk():
            context = trusting(b)
            context.set_alpn_protocols([offered])
            plain = socket.create_connection((b.vip, IMPLICIT_PORT), timeout=5)
            with plain, context.wrap_socket(plain, server_hostname=b.vip) as tls:
                return tls.selected_alpn_protocol()

        if chosen is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(talk)
        else:
            assert await asyncio.to_thread(talk) == chosen


def implicit_client(b, context=None):
    ftp = ImplicitFtps(timeout=10, context=context or trusting(b))
    ftp.connect(b.vip, IMPLICIT_PORT)
    return ftp


@pytest.mark.asyncio
@pytest.mark.parametrize("moment", ["", "STOR half", "RETR half"])
async def test_a_client_that_begins_with_tls_is_served_as_any_other_also_when_a_node_dies(tmp_path, moment):
    async with bench(tmp_path, change=with_implicit) as b:
        b.tree.files["/down"] = CONTENT
        b.arm(moment)

        def talk():
            with implicit_client(b) as ftp:
                assert ftp.getwelcome().startswith("220 ")
                ftp.login("station", "secret", secure=False)
                ftp.storbinary("STOR up", io.BytesIO(CONTENT))
                got = io.BytesIO()
                ftp.retrbinary("RETR down", got.write)
                return got.getvalue()

        assert await asyncio.to_thread(talk) == CONTENT
        assert b.tree.files["/up"] == CONTENT
        headers = [header for node in b.nodes for header in node.headers]
        assert {(header.tls, header.destination) for header in headers} == {(True, (b.vip, IMPLICIT_PORT))}


@pytest.mark.asyncio
async def test_who_does_not_speak_tls_on_the_implicit_port_hears_nothing(tmp_path):
    """Not even that there are too many: that would be words in clear."""
    async with bench(tmp_path, change=with_implicit, limits={"login_timeout_s": 1.0, "sessions_per_address": 1}) as b:

        def said(line):
            with socket.create_connection((b.vip, IMPLICIT_PORT), timeout=5) as sock:
                sock.sendall(line)
                try:
                    return sock.recv(1000)
                except ConnectionResetError:
                    return b""

        def talk():
            with socket.create_connection((b.vip, IMPLICIT_PORT), timeout=5) as silent:
                turned_away = said(b"")
                return turned_away, silent.recv(1000)

        assert await asyncio.to_thread(talk) == (b"", b"")
        assert b"220" not in await asyncio.to_thread(said, b"USER station\r\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("asked", [True, False])
async def test_the_node_is_told_which_certificate_the_client_has_shown_again_where_the_session_moves(tmp_path, asked):
    """And where no account of the site asks for one, no client is asked."""
    shown = issue(trustme.CA(), tmp_path, "station")
    station = {"client_certificate": "optional", "client_fingerprints": (shown.fingerprint,)} if asked else {}
    async with bench(tmp_path, change=with_station(**station)) as b:
        b.arm("MLST", "lose")

        def talk(certificate):
            context = trusting(b)
            if certificate is not None:
                context.load_cert_chain(certificate.file)
            with ftplib.FTP_TLS(timeout=10, context=context) as ftp:
                ftp.connect(b.vip, b.port)
                ftp.login("station", "secret")
                assert ftp.sendcmd("MLST /").startswith("250")

        await asyncio.to_thread(talk, shown)
        headers = [header for node in b.nodes for header in node.headers]
        assert [header.certificate for header in headers] == [shown.der if asked else b""] * 2
        await asyncio.to_thread(talk, None)
        told = [header.certificate for node in b.nodes for header in node.headers]
        assert told.count(b"") == (1 if asked else 3)


@pytest.mark.asyncio
@pytest.mark.parametrize(("on_data", "code"), [("own", "226"), (None, "522"), ("other", "522")])
async def test_data_that_does_not_resume_must_show_the_certificate_of_the_control_connection(tmp_path, on_data, code):
    authority = trustme.CA()
    shown = {name: issue(authority, tmp_path, "station", called=name) for name in ("own", "other")}
    asks = with_station(client_certificate="optional", client_fingerprints=(shown["own"].fingerprint,))
    async with bench(tmp_path, change=asks) as b:

        def context_with(name):
            context = trusting(b)
            if name is not None:
                context.load_cert_chain(shown[name].file)
            return context

        def talk():
            with ResumingFtps(timeout=10, context=context_with("own")) as ftp:
                ftp.connect(b.vip, b.port)
                ftp.login("station", "secret")
                ftp.prot_p()
                ftp.context = context_with(on_data)
                with ftp.transfercmd("STOR a") as conn:
                    if code == "226":
                        conn.unwrap()
                    try:
                        return ftp.voidresp()
                    except ftplib.error_perm as error:
                        return str(error)

        assert (await asyncio.to_thread(talk)).startswith(code)


def seen_by(b, client):
    """The issuer of the certificate that a new client meets, and what an open one still can."""
    stored = client.storbinary("STOR again", io.BytesIO(CONTENT))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ftplib.FTP_TLS(timeout=10, context=context) as ftp:
        ftp.connect(b.vip, b.port)
        ftp.auth()
        return ftp.sock.getpeercert(binary_form=True), stored


@pytest.mark.asyncio
async def test_a_renewed_certificate_is_for_new_handshakes_and_open_sessions_go_on(tmp_path):
    async with bench(tmp_path, change=with_station(data_tls_resumption=Resumption.REQUIRE)) as b:
        balancer = b.settings.balancer
        before = balancer.certificate.read_bytes(), balancer.key.read_bytes()
        renewed = Authority("renewed", utc_now()).issue("balancer", (b.vip,))
        client = await asyncio.to_thread(resuming_client, b, trusting(b))
        client.session = client.sock.session
        try:
            old, _ = await asyncio.to_thread(seen_by, b, client)
            balancer.certificate.write_bytes(renewed.certificate)
            b.program.reload(b.cluster.file)
            kept, _ = await asyncio.to_thread(seen_by, b, client)
            assert kept == old, "the key does not fit yet, so that all stays as it was"
            balancer.key.write_bytes(renewed.key)
            b.program.reload(b.cluster.file)
            new, stored = await asyncio.to_thread(seen_by, b, client)
            assert new == ssl.PEM_cert_to_DER_cert(renewed.certificate.decode())
            assert stored.startswith("226"), "the open session still resumes its own TLS"
        finally:
            client.close()
            balancer.certificate.write_bytes(before[0])
            balancer.key.write_bytes(before[1])
