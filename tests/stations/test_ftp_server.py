"""The server that the stations' tests use: what one session does hangs no other."""

import ftplib
import io

from tests.stations.conftest import PASSWORDS


def logged_in(server):
    ftp = ftplib.FTP(timeout=5)
    ftp.connect(server.host, server.port)
    ftp.login("station", PASSWORDS["station"])
    return ftp


def test_who_leaves_after_an_active_transfer_takes_no_other_session_along(ftp_server):
    active = logged_in(ftp_server)
    active.set_pasv(False)
    active.storbinary("STOR a", io.BytesIO(b"epochs"))
    # One of them has the descriptor at the server that the data connection had.
    others = [logged_in(ftp_server) for _ in range(4)]
    active.quit()
    for other in others:
        other.voidcmd("NOOP")
        other.quit()
