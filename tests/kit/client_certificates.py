"""Certificates of clients, from an authority of their own, as files that curl, lftp and ssl take."""

import datetime
from pathlib import Path

import msgspec
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

DAY = datetime.timedelta(days=1)


class ClientCertificate(msgspec.Struct, frozen=True):
    """A certificate with its key in one file of PEM."""

    file: Path
    der: bytes

    @property
    def fingerprint(self) -> str:
        return x509_of(self.der).fingerprint(x509_of(self.der).signature_hash_algorithm).hex(":")


def x509_of(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def der_of(cert: trustme.LeafCert) -> bytes:
    return x509.load_pem_x509_certificate(cert.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)


def issue(
    authority: trustme.CA, folder: Path, name: str, *, called: str = "", **dates: datetime.datetime
) -> ClientCertificate:
    """A certificate whose common name is `name`, in the file `called`."""
    leaf = authority.issue_cert(f"{name}.example", common_name=name, **dates)
    file = folder / f"{called or name}.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(file))
    return ClientCertificate(file, der_of(leaf))
