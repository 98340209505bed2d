"""Account passwords: argon2id hashes (RFC 9106, the low-memory profile: 3 passes, 64 MiB, 4 lanes)."""

from typing import Final

import argon2

_HASHER: Final = argon2.PasswordHasher()
_DUMMY: Final = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def hash_password(password: str) -> str:
    """The argon2id hash to write into cluster.yaml."""
    return _HASHER.hash(password)


def password_is_right(hashed: str | None, password: str) -> bool:
    """Whether `password` fits; without a hash (unknown account) the same work is done and the answer is False.

    Takes some 50 ms and 64 MiB: call it from a bounded pool of threads, never from an event loop.
    """
    try:
        _HASHER.verify(hashed or _DUMMY, password)
    except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.VerificationError):
        return False
    return hashed is not None


def is_password_hash(text: str) -> bool:
    """Whether `text` is an argon2id hash that can be verified."""
    try:
        return argon2.extract_parameters(text).type is argon2.Type.ID
    except argon2.exceptions.InvalidHashError:
        return False
