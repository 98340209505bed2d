"""Says what one FTP session does at this moment."""

from typing import TYPE_CHECKING

from cluster.live import LiveSession
from ftpnode.core.client_path import view_path

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session


def seen(session: "Session", now_s: float) -> LiveSession:
    """What an operator reads of it; from any thread."""
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
