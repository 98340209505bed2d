"""Session tokens: how a balancer logs a session in on a node without knowing the password.

After a client's own login the balancer keeps no password. To set the session up on another node it sends, as the
argument of PASS, a token signed with the cluster's key. Nodes accept one only on a connection that came from a
balancer's address with a PROXY header. A token is good for one account on one site, and not for long.
"""

import hashlib
import hmac
from typing import Final

PREFIX: Final = "tripod-token"
LIFETIME_S: Final = 60.0
KEY_BYTES: Final = 32


def make_token(key: bytes, site: str, account: str, now_s: float, nonce: str) -> str:
    """A token for `account` on `site`, good for LIFETIME_S; `nonce` is fresh random hex."""
    expires_s = int(now_s + LIFETIME_S)
    return f"{PREFIX}:{expires_s}:{nonce}:{_signature(key, site, account, expires_s, nonce)}"


def looks_like_token(password: str) -> bool:
    """Whether a PASS argument claims to be a token."""
    return password.startswith(PREFIX + ":")


def token_is_good(key: bytes, token: str, site: str, account: str, now_s: float) -> bool:
    """Whether `token` was signed with `key` for this account and site and has not expired; any garbage is False."""
    parts = token.split(":")
    if len(parts) != 4 or parts[0] != PREFIX or not parts[1].isdecimal() or len(parts[1]) > 12:
        return False
    expires_s = int(parts[1])
    wanted = _signature(key, site, account, expires_s, parts[2])
    in_time = now_s <= expires_s <= now_s + 2 * LIFETIME_S
    return hmac.compare_digest(wanted.encode(), parts[3].encode(errors="replace")) and in_time


def _signature(key: bytes, site: str, account: str, expires_s: int, nonce: str) -> str:
    text = "\0".join((PREFIX, site, account, str(expires_s), nonce))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
