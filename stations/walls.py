"""Tries what an account must not be able to do. Each probe returns what worked although it must not."""

import ftplib
from collections.abc import Iterable
from typing import Final

from stations.ftp_client import CLIENT_ERRORS, send_file

_NO: Final = (ftplib.error_perm, ftplib.error_temp)


def ways_out(ftp: ftplib.FTP, foreign: Iterable[str], foreign_file: str) -> list[str]:
    """Tries to leave the account's home for the folders `foreign` beside it, and to read `foreign_file` there."""
    worked: list[str] = []
    ftp.cwd("/")
    if _allowed(ftp, "CWD ..") and ftp.pwd() != "/":
        worked.append("CWD .. left the home")
    for folder in foreign:
        ftp.cwd("/")
        worked += [f"CWD {way} worked" for way in (f"/{folder}", f"../{folder}") if _allowed(ftp, f"CWD {way}")]
    ftp.cwd("/")
    if _sends(ftp, f"RETR ../{foreign_file}"):
        worked.append(f"RETR ../{foreign_file} sent data")
    return worked


def ways_to_write(ftp: ftplib.FTP, name: str) -> list[str]:
    """Tries to store `intruder.txt` and to delete `name` as an account that may only read."""
    worked: list[str] = []
    try:
        send_file(ftp, "STOR intruder.txt", b"a read-only account wrote this\n")
        ftp.voidresp()
        worked.append("STOR intruder.txt worked")
    except _NO:
        pass
    if _allowed(ftp, f"DELE {name}"):
        worked.append(f"DELE {name} worked")
    return worked


def _allowed(ftp: ftplib.FTP, command: str) -> bool:
    try:
        ftp.voidcmd(command)
    except _NO:
        return False
    return True


def _sends(ftp: ftplib.FTP, command: str) -> bool:
    try:
        ftp.transfercmd(command).close()
    except _NO:
        return False
    try:
        ftp.voidresp()
    except CLIENT_ERRORS:
        # It had begun to send, which is what must not happen; how that ended does not matter.
        return True
    return True
