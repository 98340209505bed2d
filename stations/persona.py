"""How different makes of receivers push a file: a table of habits, each drawn from a maker's manual or a seen device.

A persona is data; `stations.upload` acts on it.
"""

from typing import Final, Literal

import msgspec


class Persona(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of client; the defaults are a plain, modern receiver."""

    name: str
    naming: Literal["direct", "temporary"] = "direct"
    temporary_suffix: str = ".tmp"
    pieces: Literal[1, 2] = 1
    """2: the file's first part by STOR, the rest by APPE."""
    pushes: int = 1
    """How often each file is pushed although the first push was acknowledged."""
    active: bool = False
    """PORT instead of PASV."""
    extended: bool = False
    """EPSV instead of PASV."""
    backslashes: bool = False
    lower_case: bool = False
    says_binary: bool = True
    always_makes_directories: bool = False
    """MKD for every level before every file; the 550 for one that exists is expected."""
    keeps_connection: bool = False
    """Stays logged in between two hours instead of saying QUIT."""
    line_bytes_s: int | None = None
    """How fast the line to the server is; None: as fast as the network."""
    period: Literal["01H", "15M"] = "01H"
    """The file length the receiver is set to, as in RINEX 3 names."""
    owed_files: int = 0
    """Files left over from an outage before the run, pushed at the first chance."""


DIRECT: Final = Persona(name="direct")
TEMPORARY_NAME: Final = Persona(name="temporary-name", naming="temporary")
APPEND: Final = Persona(name="append", pieces=2)
DUPLICATE: Final = Persona(name="duplicate", pushes=2)
CATCH_UP: Final = Persona(name="catch-up", period="15M", owed_files=80)
ACTIVE: Final = Persona(name="active", active=True)
BACKSLASHES: Final = Persona(name="backslashes", backslashes=True, always_makes_directories=True)
MAKES_DIRECTORIES: Final = Persona(name="makes-directories", always_makes_directories=True)
LOWER_CASE: Final = Persona(name="lower-case", lower_case=True)
NO_TYPE: Final = Persona(name="no-type", says_binary=False)
KEEPS_CONNECTION: Final = Persona(name="keeps-connection", keeps_connection=True)
SLOW_LINE: Final = Persona(name="slow-line", line_bytes_s=20_000)
EXTENDED_PASSIVE: Final = Persona(name="extended-passive", extended=True, naming="temporary", temporary_suffix=".part")

PERSONAS: Final = {
    persona.name: persona
    for persona in (
        DIRECT,
        TEMPORARY_NAME,
        APPEND,
        DUPLICATE,
        CATCH_UP,
        ACTIVE,
        BACKSLASHES,
        MAKES_DIRECTORIES,
        LOWER_CASE,
        NO_TYPE,
        KEEPS_CONNECTION,
        EXTENDED_PASSIVE,
        SLOW_LINE,
    )
}

_EVERY_20_STATIONS: Final = (
    *(DIRECT, TEMPORARY_NAME, APPEND, DUPLICATE, CATCH_UP, ACTIVE, BACKSLASHES, MAKES_DIRECTORIES, LOWER_CASE, NO_TYPE),
    *(KEEPS_CONNECTION, EXTENDED_PASSIVE, SLOW_LINE, TEMPORARY_NAME, SLOW_LINE, KEEPS_CONNECTION, ACTIVE, APPEND),
    *(DUPLICATE, DIRECT),
)


def persona_of(index: int) -> Persona:
    """The persona of station `index` (from 0): ten stations show most habits, thirteen show all."""
    return _EVERY_20_STATIONS[index % len(_EVERY_20_STATIONS)]
