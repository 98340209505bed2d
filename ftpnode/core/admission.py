"""Decides whether a new session is let in: bans, drain and the limits on sessions."""

from typing import Final

from cluster.settings import Limits

BANNED: Final = "421 Too many failed logins from your address; try again later."


def refusal(limits: Limits, *, banned: bool, draining: bool, sessions: int, from_address: int) -> str | None:
    """The 421 reply to a new session, or None when it is let in.

    `sessions` are open on this node, `from_address` of them from the same client address, without the new one.
    """
    if banned:
        return BANNED
    if draining:
        return "421 This node is being emptied; connect again."
    if sessions >= limits.sessions:
        return "421 Too many sessions; try again later."
    if from_address >= limits.sessions_per_address:
        return "421 Too many sessions from your address."
    return None
