"""The TLS pump against OpenSSL itself, in memory: what is decrypted at once, and how the end is told."""

import contextlib
import ssl

import pytest
import trustme

from balancer.tls_pump import TlsPump, TruncatedError
from cluster.tls_identity import read_identity


class Client:
    """The other end of the wire."""

    def __init__(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing)

    def meet(self, pump: TlsPump) -> None:
        done = False
        while not done:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            pump.feed(self._outgoing.read())
            done = pump.shake_hands()
            self._incoming.write(pump.take())
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.read(1)

    def wire(self) -> bytes:
        return self._outgoing.read()


@pytest.fixture
def ends(tmp_path):
    pair = trustme.CA().issue_cert("localhost")
    certificate, key = tmp_path / "a.crt", tmp_path / "a.key"
    pair.cert_chain_pems[0].write_to_path(certificate)
    pair.private_key_pem.write_to_path(key)
    pump, client = TlsPump(read_identity(certificate, key).session_context()), Client()
    client.meet(pump)
    return pump, client


def test_all_records_that_are_there_come_at_once_and_in_order(ends):
    pump, client = ends
    sent = [bytes([number]) * 1000 for number in range(5)]
    for data in sent:
        client.tls.write(data)
    wire = client.wire()
    pump.feed(wire[:-1])
    assert pump.read() == b"".join(sent[:-1])
    assert pump.read() is None
    pump.feed(wire[-1:])
    assert pump.read() == sent[-1]


def test_more_than_one_reading_takes_stays_for_the_next(ends):
    pump, client = ends
    content = bytes(range(256)) * 4000
    client.tls.write(content)
    pump.feed(client.wire())
    got = bytearray()
    while (data := pump.read()) is not None:
        got += data
    assert got == content


def test_close_notify_is_a_good_end_after_every_byte(ends):
    pump, client = ends
    client.tls.write(b"all")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.unwrap()
    pump.feed(client.wire())
    assert [pump.read() for _ in range(3)] == [b"all", b"", b""]


def test_an_end_without_close_notify_is_told_after_every_byte_and_again(ends):
    pump, client = ends
    client.tls.write(b"not all")
    pump.feed(client.wire())
    pump.feed(b"")
    assert pump.read() == b"not all"
    for _ in range(3):
        with pytest.raises(TruncatedError):
            pump.read()


def test_a_forged_record_is_told_after_every_good_byte_and_again(ends):
    pump, client = ends
    client.tls.write(b"good")
    good = client.wire()
    client.tls.write(b"forged")
    forged = bytearray(client.wire())
    forged[-1] ^= 1
    pump.feed(good + bytes(forged))
    assert pump.read() == b"good"
    for _ in range(3):
        with pytest.raises(TruncatedError):
            pump.read()
