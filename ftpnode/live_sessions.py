"""Says what every session does at this moment, and ends the one an operator points at."""

from typing import TYPE_CHECKING

from cluster.live import LiveSession, LiveSessions
from ftpnode.core.client_path import view_path
from ftpnode.core.verdict import Ending

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session
    from ftpnode.sessions import Sessions


def live_sessions(sessions: "Sessions", now_s: float) -> LiveSessions:
    """Every session, the oldest first; from any thread, so one field may be a moment younger than the next."""
    return LiveSessions(
        tuple(_seen(session, now_s) for session in sorted(sessions.live(), key=lambda one: one.started_s))
    )


def kick(sessions: "Sessions", session_id: str) -> int:
    """End the session (two, where a balancer moves one) of that id, with 421; returns how many there were."""
    found = [session for session in sessions.live() if session.id == session_id]
    for session in found:
        if session.data.transfer is not None:
            session.data.cut(Ending.ABORTED)
        session.hang_up("421 An operator ended this session.")
    return len(found)


def _seen(session: "Session", now_s: float) -> LiveSession:
    login, channel, doing = session.login, session.data_channel, session.doing
    argument = doing.argument
    busy = session.is_busy
    up_bytes = channel.tot_bytes_received if channel else 0
    down_bytes = channel.tot_bytes_sent if channel else 0
    moving_s = now_s - session.data.began_s if session.data.transfer is not None else 0.0
    return LiveSession(
        id=session.id,
        site=session.site_name,
        account=login.name if login else "",
        client=session.remote_ip,
        seconds=round(now_s - session.started_s, 1),
        command=doing.command if busy else "",
        path=view_path(session.cwd, argument) if busy and argument else "",
        bytes_up=doing.bytes_up + up_bytes,
        bytes_down=doing.bytes_down + down_bytes,
        bytes_per_s=round((up_bytes + down_bytes) / moving_s, 1) if moving_s > 0 else 0.0,
    )
