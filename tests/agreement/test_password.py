"""Passwords: right, wrong, unknown account, and hashes that are none."""

import pytest

from cluster.password import hash_password, is_password_hash, password_is_right

HASH = hash_password("correct horse")


@pytest.mark.parametrize(
    ("hashed", "password", "right"),
    [
        (HASH, "correct horse", True),
        (HASH, "Correct horse", False),
        (HASH, "", False),
        (None, "correct horse", False),
        (None, "", False),
    ],
    ids=["right", "wrong", "empty", "unknown account", "unknown account, empty"],
)
def test_only_the_right_password_of_a_known_account_is_right(hashed: str | None, password: str, right: bool) -> None:
    assert password_is_right(hashed, password) is right


@pytest.mark.parametrize("text", ["", "hunter2", "$2b$10$abc", "$argon2i$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$AAAA"])
def test_what_is_no_argon2id_hash_is_known(text: str) -> None:
    assert not is_password_hash(text)
    assert is_password_hash(HASH)
