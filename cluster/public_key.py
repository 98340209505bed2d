"""SSH public keys as a person writes them in cluster.yaml: one line of an authorized_keys file, without options."""

import base64
from typing import Final

_RSA_BITS: Final = 2048


def key_blob(line: str) -> bytes | None:
    """The key in `ssh-ed25519 AAAA… comment` as SSH sends it (RFC 4253 section 6.6); None when it is none, or weak."""
    # Here: reading any cluster.yaml would load it all otherwise, in every health check too, and few accounts have keys.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415

    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, DSAPublicKey) or (isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS):
        return None
    return base64.b64decode(line.split()[1])
