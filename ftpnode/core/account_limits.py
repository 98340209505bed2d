"""Decides whether an account that gave the right password may begin one more session, from where it is."""

from cluster.settings import AccountLimits
from ftpnode.core.ban import is_within

NOT_FROM_HERE = "530 Login incorrect."
"""As for a wrong password: who is elsewhere does not learn that the password was right."""


def refusal(limits: AccountLimits, *, address: str, sessions: int, from_address: int) -> str | None:
    """The reply that refuses the login, or None.

    `sessions` of this account are open on this node, `from_address` of them from the client's address.
    """
    if limits.networks and not is_within(address, limits.networks):
        return NOT_FROM_HERE
    if limits.sessions is not None and sessions >= limits.sessions:
        return "421 Too many sessions of this account."
    if limits.sessions_per_address is not None and from_address >= limits.sessions_per_address:
        return "421 Too many sessions of this account from your address."
    return None
