"""Whose certificate lets a client in: its own by fingerprint, or by name under the clients' authority; no other."""

import datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from cluster.clock import utc_now
from cluster.settings import Account
from compose.authority import Authority
from ftpnode.core.client_certificate import complaint
from ftpnode.core.login import Candidate
from tests.kit.client_certificates import der_of

NOW = utc_now()
DAY = datetime.timedelta(days=1)
CLIENTS, STRANGERS = trustme.CA(), trustme.CA()


def authority(ca):
    return x509.load_pem_x509_certificate(ca.cert_pem.bytes())


def issued(ca, name, **more):
    return der_of(ca.issue_cert("host.example", common_name=name, **more))


def station(*pins):
    account = Account(home="/", rights=(), password="", client_certificate="required", client_fingerprints=tuple(pins))
    return Candidate("station", account)


def made(*, names=("station",), usage=ExtendedKeyUsageOID.CLIENT_AUTH):
    """A certificate that trustme would not make, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def pin(der):
    return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()


OWN = issued(CLIENTS, "station")
EXPIRED = issued(CLIENTS, "station", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
FUTURE = issued(CLIENTS, "station", not_before=NOW + DAY, not_after=NOW + 9 * DAY)
SELF_SIGNED = made()


@pytest.mark.parametrize(
    ("der", "why"),
    [
        (OWN, None),
        (b"", "no client certificate"),
        (EXPIRED, "out of its dates"),
        (FUTURE, "out of its dates"),
        (issued(CLIENTS, "lansurvey"), "another name"),
        (issued(CLIENTS, "Station"), "another name"),
        (issued(CLIENTS, None), "another name"),
        (issued(STRANGERS, "station"), "unable to get local issuer"),
        (SELF_SIGNED, "self-signed"),
        (made(names=("station", "lansurvey")), "another name"),
        (made(usage=ExtendedKeyUsageOID.SERVER_AUTH), "not for clients"),
        (b"no certificate", "cannot be read"),
        (OWN[:-1], "cannot be read"),
    ],
)
def test_without_fingerprints_a_client_is_known_by_its_name_under_the_authority(der, why):
    found = complaint(der, station(), (authority(CLIENTS),), NOW)
    assert (found is None) if why is None else (found is not None and why in found), found


@pytest.mark.parametrize(
    ("der", "why"),
    [
        (SELF_SIGNED, None),
        (OWN, "another fingerprint"),
        (b"", "no client certificate"),
        (made(), "another fingerprint"),
        (EXPIRED, "out of its dates"),
    ],
)
@pytest.mark.parametrize("written", [str, str.upper, lambda text: ":".join(text[i : i + 2] for i in range(0, 64, 2))])
def test_with_fingerprints_a_client_is_known_by_them_alone(der, why, written):
    """The clients' authority, which signed OWN, does not count beside them."""
    pins = (written(pin(SELF_SIGNED)), written(pin(EXPIRED)))
    found = complaint(der, station(*pins), (authority(CLIENTS),), NOW)
    assert (found is None) if why is None else (found is not None and why in found), found


def test_an_authority_that_has_expired_certifies_nobody():
    old = Authority("clients", NOW - 4000 * DAY)
    certificate = x509.load_pem_x509_certificate(old.key_pair().certificate)
    leaf = x509.load_pem_x509_certificate(old.issue("station", ()).certificate).public_bytes(Encoding.DER)
    assert "out of its dates" in complaint(leaf, station(), (certificate,), NOW)
    then = NOW - 3500 * DAY
    assert complaint(leaf, station(), (certificate,), then) is None


def test_a_certificate_does_not_certify_another():
    """Who has one must not be able to make more: only the authority signs."""
    leaf = CLIENTS.issue_cert("x", common_name="lansurvey")
    key = ec.generate_private_key(ec.SECP256R1())
    signer = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())

    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "station")]))
        .issuer_name(signer.subject)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(load_pem_private_key(leaf.private_key_pem.bytes(), None), hashes.SHA256())
    )
    der = forged.public_bytes(Encoding.DER)
    assert complaint(der, station(), (authority(CLIENTS),), NOW) is not None
    assert complaint(der, station(), (authority(CLIENTS), signer), NOW) is not None


def test_no_authority_and_no_fingerprint_let_nobody_in():
    assert complaint(OWN, station(), (), NOW) is not None


@given(start=st.integers(0, len(OWN)), length=st.integers(0, 8), put=st.binary(max_size=8))
def test_a_damaged_certificate_is_refused_and_does_no_harm(start, length, put):
    damaged = OWN[:start] + put + OWN[start + length :]
    assert damaged == OWN or complaint(damaged, station(), (authority(CLIENTS),), NOW) is not None
