"""Makes the key that SFTP clients know a cluster by (Ed25519, as OpenSSH writes it)."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def new_host_key() -> bytes:
    """A new private key, for a file that only its owner reads."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
