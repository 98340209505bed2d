"""SHA-256 fingerprints of certificates, as `openssl x509 -fingerprint -sha256` prints them, with or without colons."""

import hashlib
import re
from typing import Final

_FORM: Final = re.compile(r"[0-9A-F]{2}(:?[0-9A-F]{2}){31}", re.IGNORECASE)


def read_fingerprint(text: str) -> bytes | None:
    """The digest that `text` writes in hexadecimal digits; None when it is none."""
    return bytes.fromhex(text.replace(":", "")) if _FORM.fullmatch(text) else None


def fingerprint(certificate: bytes) -> bytes:
    """The digest of a certificate in DER."""
    return hashlib.sha256(certificate).digest()
