"""Says what every session does at this moment, and ends the one an operator points at."""

from cluster.live import LiveSessions
from ftpnode.sessions import Sessions


def live_sessions(sessions: Sessions, now_s: float) -> LiveSessions:
    """Every session, the oldest first; from any thread."""
    return LiveSessions(
        tuple(session.seen(now_s) for session in sorted(sessions.live(), key=lambda one: one.started_s))
    )


def kick(sessions: Sessions, session_id: str) -> int:
    """End the session (two, where a balancer moves one) of that id; returns how many there were."""
    found = [session for session in sessions.live() if session.id == session_id]
    for session in found:
        session.kick()
    return len(found)
