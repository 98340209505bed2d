"""Session tokens: good for one account on one site for a short while, and nothing else passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.session_token import LIFETIME_S, looks_like_token, make_token, token_is_good

KEY = b"k" * 32
TOKEN = make_token(KEY, "ingest", "station", 1000.0, "ab12")


def test_a_fresh_token_is_good() -> None:
    assert looks_like_token(TOKEN)
    assert token_is_good(KEY, TOKEN, "ingest", "station", 1000.0 + LIFETIME_S)


@pytest.mark.parametrize(
    ("key", "site", "account", "now_s"),
    [
        (b"x" * 32, "ingest", "station", 1000.0),
        (KEY, "public", "station", 1000.0),
        (KEY, "ingest", "servicedesk", 1000.0),
        (KEY, "ingest", "station", 1000.0 + LIFETIME_S + 1),
        (KEY, "ingest", "station", 1000.0 - 3 * LIFETIME_S),
    ],
    ids=["other key", "other site", "other account", "expired", "from the future"],
)
def test_a_token_is_good_for_nothing_else(key: bytes, site: str, account: str, now_s: float) -> None:
    assert not token_is_good(key, TOKEN, site, account, now_s)


@given(st.text())
def test_garbage_is_never_good(text: str) -> None:
    assert not token_is_good(KEY, text, "ingest", "station", 1000.0)


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_changed_character_spoils_a_token(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert token_is_good(KEY, changed, "ingest", "station", 1000.0) == (changed == TOKEN)
